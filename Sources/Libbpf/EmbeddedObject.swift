// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials

/// A compiled BPF object that the build embedded: one for each `*.bpf.c`.
public struct EmbeddedObject: Sendable {
    /// The source's name without `.bpf.c`.
    public let name: String
    /// SHA-256 of the object, in hexadecimal.
    public let sha256: String
    private let base64: String

    public init(name: String, sha256: String, base64: String) {
        self.name = name
        self.sha256 = sha256
        self.base64 = base64
    }

    /// The ELF object's bytes.
    public var bytes: [UInt8] {
        // What the build wrote always decodes; if it did not, libbpf would refuse the empty object by its name.
        Data(base64Encoded: base64).map(Array.init) ?? []
    }
}
