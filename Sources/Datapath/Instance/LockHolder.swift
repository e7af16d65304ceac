// SPDX-License-Identifier: Apache-2.0
import Glibc
import Host
import Libbpf

/// The process that has a file's lock, as the kernel lists it.
package struct LockHolder: Sendable, Hashable {
    package let process: Int32
    /// The program's name, as others gave it.
    package let program: String

    /// In words, for people.
    package var words: String { "process \(process), '\(program)'" }

    /// nil: nobody has it any more, or it is somebody in another process namespace.
    package init?(of descriptor: borrowing Descriptor) {
        var status = stat()
        guard unsafe fstat(descriptor.value, &status) == 0, let locks = ProcFile.text("/proc/locks"),
            let process = Self.process(in: locks, device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
        else { return nil }
        self.process = process
        let name = ProcFile.text("/proc/\(process)/comm") ?? ""
        program = String(name.prefix { $0 != "\n" })
    }

    /// - Parameters:
    ///   - locks: Lines such as `1: FLOCK  ADVISORY  WRITE 1234 00:1c:5678 0 EOF`.
    ///   - device: The file's, as `stat` has it.
    ///   - inode: The file's.
    static func process(in locks: String, device: UInt64, inode: UInt64) -> Int32? {
        let major = device >> 8 & 0xfff | device >> 32 & 0xffff_f000
        let minor = device & 0xff | device >> 12 & 0xffff_ff00
        for line in locks.split(separator: "\n") {
            let words = line.split(separator: " ")
            // Those that wait have an arrow after their number.
            guard words.count >= 6, words[1] == "FLOCK", let process = Int32(words[4]), process > 0 else { continue }
            let file = words[5].split(separator: ":")
            guard file.count == 3, UInt64(file[0], radix: 16) == major, UInt64(file[1], radix: 16) == minor,
                UInt64(file[2]) == inode
            else { continue }
            return process
        }
        return nil
    }
}
