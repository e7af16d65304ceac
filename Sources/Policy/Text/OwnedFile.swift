// SPDX-License-Identifier: Apache-2.0
import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A file that the product writes, and that only its owner may read.
package enum OwnedFile {
    /// Puts bytes in place of what the file had before, in one step.
    ///
    /// - Parameter isDurable: Whether they are on the disk when this returns.
    package static func replace(_ path: String, with bytes: [UInt8], isDurable: Bool) throws {
        let new = path + ".new"
        let file = try FileDescriptor.open(
            FilePath(new), .writeOnly, options: [.create, .truncate, .closeOnExec, .noFollow],
            permissions: .ownerReadWrite)
        try file.closeAfter {
            try file.writeAll(bytes)
            // Whatever the umask is.
            guard fchmod(file.rawValue, 0o600) == 0 else { throw Errno(rawValue: errno) }
            guard !isDurable || fsync(file.rawValue) == 0 else { throw Errno(rawValue: errno) }
        }
        guard unsafe rename(new, path) == 0 else { throw Errno(rawValue: errno) }
        guard isDurable else { return }
        let folder = try FileDescriptor.open(
            FilePath(path).removingLastComponent(), .readOnly, options: [.closeOnExec, .directory])
        _ = try folder.closeAfter { fsync(folder.rawValue) }
    }
}
