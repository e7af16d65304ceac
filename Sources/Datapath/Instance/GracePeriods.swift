// SPDX-License-Identifier: Apache-2.0
import Libbpf
import SystemPackage

/// Shortens the kernel's waits while many programs are attached or taken off, and while a policy is put in force.
///
/// At each tc hook the kernel waits until every CPU has left the old list of programs. That takes 15 ms or more, under
/// the lock of all network devices, so several threads are not faster. If the kernel is told to expedite its grace
/// periods, it interrupts the CPUs instead and needs about 1 ms. The setting applies to the whole host. So it is
/// changed only if waiting is most of the work, by one process at a time, and no longer than needed. A mark in the
/// instance's folder tells the next apply or detach to change it back if a process was killed in between.
package struct GracePeriods {
    /// The setting, for the whole host.
    package static let standardSetting = "/sys/kernel/rcu_expedited"
    static let markName = "expedited"
    /// Fewer hooks than this are not worth it.
    private static let worthwhile = 16

    /// The file of the host's setting.
    let setting: String
    /// The instance's folder, which holds the mark.
    let folder: PinFolder

    /// Runs `body`, which attaches to this many hooks or detaches from them: with short waits if they are worth it and
    /// the host allows them.
    func expedited<Result, Failure: Error>(
        for hooks: Int, _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        guard hooks >= GracePeriods.worthwhile else { return try body() }
        return try expedited(body)
    }

    /// Runs `body`, with short waits if the host allows them.
    func expedited<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
        guard let setting = open(), let lock = try? FileLock(setting),
            GracePeriods.value(lock.descriptor) == UInt8(ascii: "0")
        else { return try body() }
        // The mark comes first, so that the setting is never changed without it.
        guard (try? mark.make()) != nil else { return try body() }
        defer { if GracePeriods.set("0", lock.descriptor) { try? mark.remove() } }
        _ = GracePeriods.set("1", lock.descriptor)
        return try body()
    }

    /// Changes the setting back if a killed process left it changed. Takes no lock, because there may be no later call
    /// to do it. A process that uses the setting at this moment only waits longer.
    func recover() {
        guard folder.holds(GracePeriods.markName), let setting = open() else { return }
        if GracePeriods.set("0", setting) { try? mark.remove() }
    }

    private var mark: PinFolder { folder.folder(GracePeriods.markName) }

    private func open() -> Descriptor? {
        guard let file = try? FileDescriptor.open(FilePath(setting), .readWrite, options: .closeOnExec) else {
            return nil
        }
        return Descriptor(owning: file)
    }

    private static func value(_ setting: borrowing Descriptor) -> UInt8? {
        var byte: UInt8 = 0
        let count = unsafe withUnsafeMutableBytes(of: &byte) {
            unsafe try? setting.file.read(fromAbsoluteOffset: 0, into: $0)
        }
        return count == 1 ? byte : nil
    }

    private static func set(_ text: String, _ setting: borrowing Descriptor) -> Bool {
        (try? setting.file.writeAll(toAbsoluteOffset: 0, text.utf8)) == text.utf8.count
    }
}
