// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A place for a pin: a name in an open folder.
public struct Pin: Sendable {
    public let folder: OpenFolder
    public let name: String

    public init(_ name: String, in folder: OpenFolder) {
        self.folder = folder
        self.name = name
    }

    /// Lets the owner, and nobody else, read and write what was pinned just now, whatever the umask is. root without
    /// CAP_DAC_OVERRIDE is held by the mode too.
    func setMode() { _ = unsafe fchmodat(folder.descriptor.value, name, 0o600, 0) }

    /// The path by which the kernel finds the pin from the folder's descriptor. The kernel takes the descriptor itself
    /// only from 6.5 on.
    var path: String { "/proc/self/fd/\(folder.descriptor.value)/\(name)" }
}

extension Pin: CustomStringConvertible {
    /// The path, for messages.
    public var description: String { "\(folder.path)/\(name)" }
}
