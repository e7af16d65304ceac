// SPDX-License-Identifier: Apache-2.0
import Glibc
import SystemPackage

/// A file descriptor with an owner: it is closed when this value ends.
public struct Descriptor: ~Copyable, Sendable {
    public let file: FileDescriptor

    /// The number that the C library takes.
    public var value: Int32 { file.rawValue }

    /// Takes over an open descriptor.
    public init(owning file: FileDescriptor) { self.file = file }

    init(owning value: Int32) { self.init(owning: FileDescriptor(rawValue: value)) }

    /// Another descriptor of the same thing, closed on exec.
    init(duplicating value: Int32, of name: String) throws(BPFError) {
        let copy = fcntl(value, F_DUPFD_CLOEXEC, 0)
        guard copy >= 0 else { throw BPFError("duplicate", name, errno: errno) }
        self.init(owning: copy)
    }

    deinit { try? file.close() }

    /// Another descriptor of the same thing.
    public func duplicate() throws(BPFError) -> Descriptor {
        try Descriptor(duplicating: value, of: "descriptor")
    }
}
