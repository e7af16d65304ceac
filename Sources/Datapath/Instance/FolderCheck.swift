// SPDX-License-Identifier: Apache-2.0
import Glibc
import Libbpf

/// Checks who owns a folder of the BPF file system, which is open to everybody if it is mounted without a mode.
package enum FolderCheck {
    /// Why a folder is not this user's alone; nil if it is.
    package static func fault(of folder: OpenFolder) -> DatapathError? {
        let status = folder.status
        guard status.isBPF else {
            return DatapathError("\(folder.path) is not in a BPF file system", advice: "see what is mounted there")
        }
        if status.owner == 0, geteuid() != 0 {
            return DatapathError(
                "\(folder.path) is root's, and this is user \(geteuid()), who may not look into it",
                advice: "run it as root")
        }
        guard status.owner == geteuid() else {
            return DatapathError(
                "\(folder.path) belongs to \(user(status.owner)), not to \(user(geteuid())): somebody else made it",
                advice: "look what it is and remove it, or choose another --instance; then keep others out: "
                    + "chmod 0700 \(BPFFileSystem.root) (\(BPFFileSystem.mountCommand) at the next boot)")
        }
        // A user who can open a folder can hold its lock.
        guard status.mode & 0o077 == 0 else {
            return DatapathError(
                "\(folder.path) can be entered by others (mode \(octal(status.mode)))",
                advice: "if it is Bulkhead's: chmod 0700 \(folder.path); else choose another --instance")
        }
        return nil
    }

    /// Why the file system's root cannot be trusted; nil if it can. Others may make folders next to ours if the sticky
    /// bit keeps them from renaming or removing ours.
    package static func rootFault(_ status: OpenFolder.Status) -> DatapathError? {
        guard status.owner == 0 || status.owner == geteuid() else {
            return DatapathError(
                "\(BPFFileSystem.root) belongs to \(user(status.owner)), who could replace what is pinned there",
                advice: "chown root \(BPFFileSystem.root) && chmod 0700 \(BPFFileSystem.root)")
        }
        guard status.mode & 0o022 == 0 || status.mode & 0o1000 != 0 else {
            return DatapathError(
                "others may rename and remove what is pinned under \(BPFFileSystem.root) (mode \(octal(status.mode)))",
                advice: "chmod 0700 \(BPFFileSystem.root) (\(BPFFileSystem.mountCommand) at the next boot)")
        }
        return nil
    }

    /// The error of a call that failed on a folder, in words.
    package static func fault(_ error: BPFError, at path: String) -> DatapathError {
        switch error.errno {
        case .tooManySymbolicLinkLevels, .notDirectory:
            DatapathError(
                "\(path) is not a folder but something else, such as a symbolic link: Bulkhead did not make it",
                advice: "look what it is and remove it, or choose another --instance; then keep others out: "
                    + "chmod 0700 \(BPFFileSystem.root)",
                bpf: error)
        case .permissionDenied, .notPermitted:
            DatapathError(
                "user \(geteuid()) may not look into \(path) (\(error.operation): \(error.cause))",
                advice: "run it as root", bpf: error)
        default: DatapathError("cannot use \(path): \(error.operation): \(error.cause)", bpf: error)
        }
    }

    private static func user(_ number: UInt32) -> String { number == 0 ? "root" : "user \(number)" }

    private static func octal(_ mode: UInt32) -> String { "0" + String(mode, radix: 8) }
}
