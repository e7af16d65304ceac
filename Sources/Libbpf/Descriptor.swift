// SPDX-License-Identifier: Apache-2.0
import Glibc

/// An owned file descriptor, closed at the end of its life.
public struct Descriptor: ~Copyable, Sendable {
    public let value: Int32

    /// Takes over an open descriptor.
    public init(owning value: Int32) { self.value = value }

    deinit { close(value) }

    /// Another descriptor of the same thing.
    public func duplicate() throws(BPFError) -> Descriptor {
        let copy = fcntl(value, F_DUPFD_CLOEXEC, 0)
        guard copy >= 0 else { throw BPFError("duplicate", "descriptor", errno: errno) }
        return Descriptor(owning: copy)
    }
}
