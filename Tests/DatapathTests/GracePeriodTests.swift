// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import TestSupport
import Testing

@testable import Datapath

/// The host's setting for short grace periods. Other tests on this host change it too, and leave it changed if they are
/// killed, so its value at a given moment is checked on a private file that stands for it.
@Suite struct GracePeriodTests {
    private static let mark = "expedited"

    private static func value(_ setting: String) throws -> String {
        try String(contentsOfFile: setting, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// The lab's instance with its own setting.
    private static func instance(_ lab: GuestLab, setting value: String) throws -> Instance {
        try Instance(
            lab.instance.name, usesTCX: lab.instance.usesTCX,
            waitSetting: try lab.lab.file("rcu_expedited", "\(value)\n"))
    }

    /// A process killed midway leaves the setting changed, and a mark. The next one that changes something restores
    /// both.
    @Test(arguments: ["apply", "detach"]) func whatAKilledProcessLeavesIsUndone(command: String) throws {
        let lab = try GuestLab()
        let instance = try Self.instance(lab, setting: "1")
        try lab.policy.apply(instance)
        try instance.folder.folder(Self.mark).make()
        // It does not wait for another process that has the setting, nor leave it to the next.
        let other = unsafe open(instance.waitSetting, O_RDWR | O_CLOEXEC)
        defer { close(other) }
        try #require(flock(other, LOCK_EX | LOCK_NB) == 0)
        if command == "apply" {
            try lab.policy.apply(instance)
        } else {
            _ = try instance.detach(ports: ["guest"])
        }
        #expect(!instance.folder.holds(Self.mark))
        #expect(try Self.value(instance.waitSetting) == "0")
    }

    @Test func theSettingIsChangedForThatLongOnly() throws {
        let lab = try GuestLab()
        let instance = try Self.instance(lab, setting: "0")
        try lab.policy.apply(instance)
        let within = try instance.gracePeriods.expedited(for: 100) {
            (setting: try Self.value(instance.waitSetting), isMarked: instance.folder.holds(Self.mark))
        }
        #expect(within == ("1", true))
        #expect(try Self.value(instance.waitSetting) == "0")
        #expect(!instance.folder.holds(Self.mark))
        instance.gracePeriods.expedited(for: 2) { #expect(!instance.folder.holds(Self.mark)) }
    }

    /// If the user has set it, it stays set.
    @Test func whatWasSetBeforeStays() throws {
        let lab = try GuestLab()
        let instance = try Self.instance(lab, setting: "1")
        try lab.policy.apply(instance)
        instance.gracePeriods.expedited(for: 100) { #expect(!instance.folder.holds(Self.mark)) }
        #expect(try Self.value(instance.waitSetting) == "1")
    }

    /// The kernel accepts what is written. If another process has the setting at the moment, it is left alone.
    @Test func theKernelTakesIt() throws {
        let lab = try GuestLab()
        try lab.policy.apply(lab.instance)
        let instance = lab.instance
        #expect(
            try poll(seconds: 10) {
                try instance.gracePeriods.expedited(for: 100) {
                    try Self.value(instance.waitSetting) == "1" && instance.folder.holds(Self.mark)
                }
            })
        #expect(!instance.folder.holds(Self.mark))
        #expect(try poll(seconds: 10) { try Self.value(instance.waitSetting) == "0" })
    }
}
