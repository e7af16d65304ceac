// SPDX-License-Identifier: Apache-2.0
import Glibc
import Policy

/// The list of workloads that the agent keeps for all commands. It stays when the agent ends, and is gone with a
/// reboot, as the workloads are.
package struct WorkloadFile: Sendable {
    /// Where it is. systemd makes this folder for the agent.
    package static let folder = "/run/bulkhead"

    /// The most bytes of it: of a source's workloads, each may have some KiB of labels.
    static let limit = 256 << 20

    package let path: String

    /// - Parameter instance: Its name.
    package init(instance: String, folder: String = WorkloadFile.folder) { path = "\(folder)/\(instance).workloads" }

    /// nil: there is none, or it cannot be read, or others than its user could have written it.
    package func read() -> WorkloadList? {
        var status = stat()
        guard unsafe lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_mode & 0o022 == 0,
            status.st_uid == 0 || status.st_uid == geteuid(),
            let text = try? DiskFiles().read(path, limit: WorkloadFile.limit, from: .regularFile)
        else { return nil }
        return try? WorkloadList(reading: text)
    }

    /// Puts a list in place of the one before, in one step.
    package func write(_ list: WorkloadList) throws {
        try OwnedFile.replace(path, with: list.text, isDurable: false)
    }
}
