// SPDX-License-Identifier: Apache-2.0
import CNettle

/// SHA-256 (FIPS 180-4) of bytes that come in pieces.
package struct SHA256 {
    package static let byteCount = Int(SHA256_DIGEST_SIZE)

    private var context = sha256_ctx()

    package init() {
        unsafe bulkhead_sha256_init(&context)
    }

    package mutating func update(_ bytes: [UInt8]) {
        unsafe bytes.withUnsafeBufferPointer { piece in
            unsafe bulkhead_sha256_update(&context, piece.count, piece.baseAddress)
        }
    }

    /// The 32 bytes of the digest, in the order in which they are written.
    package consuming func digest() -> [UInt8] {
        var context = context
        return unsafe [UInt8](unsafeUninitializedCapacity: Self.byteCount) { digest, count in
            unsafe bulkhead_sha256_digest(&context, digest.baseAddress)
            count = Self.byteCount
        }
    }

    package static func digest(of bytes: [UInt8]) -> [UInt8] {
        var hash = SHA256()
        hash.update(bytes)
        return hash.digest()
    }
}
