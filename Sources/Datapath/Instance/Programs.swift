// SPDX-License-Identifier: Apache-2.0
import Compiler
import Libbpf

/// The BPF objects of this build.
package enum Programs {
    package static let entry = EmbeddedObject.entry
    package static let tc = EmbeddedObject.tc
    package static let xdp = EmbeddedObject.xdp
    package static let unattached = EmbeddedObject.unattached
    package static let shadowTC = EmbeddedObject.shadow_tc
    package static let shadowXDP = EmbeddedObject.shadow_xdp

    /// SHA-256 over the hashes of those that stay in the kernel. The build made these, because the objects have
    /// megabytes.
    package static let hash: (UInt64, UInt64, UInt64, UInt64) = {
        var hash = SHA256()
        for object in [entry, tc, xdp, unattached] { hash.update(Array(object.sha256.utf8)) }
        return unsafe hash.digest().withUnsafeBytes {
            unsafe $0.loadUnaligned(as: (UInt64, UInt64, UInt64, UInt64).self)
        }
    }()
}
