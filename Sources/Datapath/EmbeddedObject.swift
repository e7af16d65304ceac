import FoundationEssentials

/// A compiled BPF object that the build embedded: one for each `BPF/*.bpf.c`.
struct EmbeddedObject: Sendable {
    /// The source's name without `.bpf.c`.
    let name: String
    let base64: String

    /// The ELF object's bytes.
    var bytes: [UInt8] {
        // What the build wrote always decodes; an empty object would be refused by libbpf by name.
        Data(base64Encoded: base64).map(Array.init) ?? []
    }
}
