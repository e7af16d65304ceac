// SPDX-License-Identifier: Apache-2.0
import Glibc
import Libbpf

/// Shortens the kernel's waits while many programs are attached or taken off, and while a policy is put in force.
///
/// At each tc hook the kernel waits until every CPU has left the old list of programs: 15 ms or more, under the lock of
/// all network devices, so that several threads are no faster. Told to expedite its grace periods it interrupts the
/// CPUs instead, and takes about 1 ms. The setting is the whole host's. So it is changed only where the wait is most of
/// what is to be done, by one process at a time, and for no longer than that takes; a mark in the instance's folder
/// tells the next apply or detach to change it back where a process was killed in between.
package enum GracePeriods {
    /// The setting, for the whole host.
    package static let standardSetting = "/sys/kernel/rcu_expedited"
    static let markName = "expedited"
    /// Fewer hooks than this are not worth it.
    private static let worthwhile = 16

    /// Runs `body`, which attaches to or takes off so many hooks; where that is worth it, and the host lets it be done,
    /// with short waits.
    static func expedited<Result, Failure: Error>(
        for hooks: Int, by instance: Instance, _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        guard hooks >= worthwhile else { return try body() }
        return try expedited(by: instance, body)
    }

    /// Runs `body` with short waits, where the host lets it be done.
    static func expedited<Result, Failure: Error>(
        by instance: Instance, _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        guard let setting = opened(instance), let lock = FileLock(setting), value(lock.descriptor) == UInt8(ascii: "0")
        else { return try body() }
        // The mark comes first, so that the setting is never changed without it.
        guard (try? instance.folder.folder(markName).make()) != nil else { return try body() }
        defer { if set("0", lock.descriptor) { try? instance.folder.folder(markName).remove() } }
        _ = set("1", lock.descriptor)
        return try body()
    }

    /// Changes back what a process that was killed has left; without the lock, for nobody may come after this one.
    /// Whoever has the setting just then waits longer, and no more.
    static func recover(_ instance: Instance) {
        guard instance.folder.holds(markName), let setting = opened(instance) else { return }
        if set("0", setting) { try? instance.folder.folder(markName).remove() }
    }

    private static func opened(_ instance: Instance) -> Descriptor? {
        let value = unsafe open(instance.waitSetting, O_RDWR | O_CLOEXEC)
        return value < 0 ? nil : Descriptor(owning: value)
    }

    private static func value(_ setting: borrowing Descriptor) -> UInt8? {
        var byte: UInt8 = 0
        return unsafe pread(setting.value, &byte, 1, 0) == 1 ? byte : nil
    }

    private static func set(_ text: String, _ setting: borrowing Descriptor) -> Bool {
        let bytes = Array(text.utf8)
        return unsafe pwrite(setting.value, bytes, bytes.count, 0) == bytes.count
    }
}
