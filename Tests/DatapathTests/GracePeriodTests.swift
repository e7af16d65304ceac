import Foundation
import Glibc
import TestSupport
import Testing

@testable import Datapath

/// The host's setting of short waits. Others on this host may use it at the same time: so a test waits for what must come, and holds nothing against
/// what may come in between.
@Suite(.serialized) struct GracePeriodTests {
    private static let setting = "/sys/kernel/rcu_expedited"
    private static let mark = "expedited"

    private static func value() throws -> String {
        try String(contentsOfFile: setting, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Changes the setting while nobody else does, and only from what it should be.
    private static func change(from old: String, to new: String) throws {
        let descriptor = unsafe open(setting, O_RDWR | O_CLOEXEC)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        try #require(flock(descriptor, LOCK_EX) == 0)
        try #require(try value() == old)
        try #require(unsafe write(descriptor, new, 1) == 1)
    }

    /// A process that is killed on the way leaves the setting changed, and a mark. The next one that changes something puts both right.
    @Test func whatAKilledProcessLeavesIsUndone() throws {
        let lab = try GuestLab()
        try lab.policy.apply(lab.instance)
        defer { if (try? Self.value()) == "1" { try? Self.change(from: "1", to: "0") } }
        for command in ["apply", "detach"] {
            try lab.instance.folder.folder(Self.mark).make()
            try Self.change(from: "0", to: "1")
            let isUndone = try poll(seconds: 10) {
                if command == "apply" {
                    try lab.policy.apply(lab.instance)
                } else {
                    _ = try? lab.instance.detach(ports: ["guest"])
                }
                return !lab.instance.folder.holds(Self.mark)
            }
            #expect(isUndone, "\(command) has left the mark")
            #expect(try poll(seconds: 10) { try Self.value() == "0" }, "\(command) has left the setting changed")
        }
    }

    @Test func theSettingIsChangedForThatLongOnly() throws {
        let lab = try GuestLab()
        try lab.policy.apply(lab.instance)
        let instance = lab.instance
        // Another process may have it just now; then it is left alone.
        #expect(
            try poll(seconds: 10) {
                try GracePeriods.expedited(for: 100, by: instance) {
                    try Self.value() == "1" && instance.folder.holds(Self.mark)
                }
            })
        #expect(!instance.folder.holds(Self.mark))
        #expect(try poll(seconds: 10) { try Self.value() == "0" })
        GracePeriods.expedited(for: 2, by: instance) { #expect(!instance.folder.holds(Self.mark)) }
    }

    /// Whoever has set it himself finds it set.
    @Test func whatWasSetBeforeStays() throws {
        let lab = try GuestLab()
        try lab.policy.apply(lab.instance)
        let instance = lab.instance
        try Self.change(from: "0", to: "1")
        defer { try? Self.change(from: "1", to: "0") }
        GracePeriods.expedited(for: 100, by: instance) { #expect(!instance.folder.holds(Self.mark)) }
        #expect(try Self.value() == "1")
    }
}
