// SPDX-License-Identifier: Apache-2.0
import Compiler
import Glibc

/// Which executable compiled an image. Another build may compile the same text to other bytes, so it takes nothing
/// over.
enum CompilerIdentity {
    /// Of this process; 0 if it is unknown. A file that was written or replaced has another time of change.
    static let own: UInt64 = {
        var status = stat()
        guard unsafe stat("/proc/self/exe", &status) == 0 else { return 0 }
        let facts = [
            UInt64(status.st_dev), UInt64(status.st_ino), UInt64(bitPattern: Int64(status.st_size)),
            UInt64(bitPattern: Int64(status.st_mtim.tv_sec)), UInt64(bitPattern: Int64(status.st_mtim.tv_nsec)),
            UInt64(bitPattern: Int64(status.st_ctim.tv_sec)), UInt64(bitPattern: Int64(status.st_ctim.tv_nsec)),
        ]
        let bytes = facts.flatMap { fact in (0..<8).map { UInt8(truncatingIfNeeded: fact >> UInt64($0 * 8)) } }
        return SHA256.digest(of: bytes).prefix(8).reduce(0) { $0 << 8 | UInt64($1) } | 1
    }()
}

extension Instance {
    /// The image in force, if this executable compiled it.
    package var ownImageInForce: LiveImage? {
        guard CompilerIdentity.own != 0, let maps = try? openMaps(), let image = try? imageInForce(maps),
            image.view.header.compiler == CompilerIdentity.own
        else { return nil }
        return image
    }
}
