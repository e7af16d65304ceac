// SPDX-License-Identifier: Apache-2.0

/// A place for a pin: a name in an open folder.
public struct Pin: Sendable {
    public let folder: OpenFolder
    public let name: String

    public init(_ name: String, in folder: OpenFolder) {
        self.folder = folder
        self.name = name
    }

    /// The path by which the kernel finds it from the descriptor; it takes descriptors themselves only from 6.5 on.
    var path: String { "/proc/self/fd/\(folder.descriptor.value)/\(name)" }
}

extension Pin: CustomStringConvertible {
    /// As people know it.
    public var description: String { "\(folder.path)/\(name)" }
}
