// SPDX-License-Identifier: Apache-2.0

/// What may be the name of a thing that the kernel knows by name. Bytes are looked at rather than characters: a slash
/// with a combining mark behind it is one character that is no slash, and two bytes of which the kernel takes the
/// first for one.
public enum KernelNames {
    /// The most bytes of a namespace's name that a generation records.
    private static let longestNamespace = 207

    /// The most bytes of an alternative name of a device; its own name has 15 at most.
    static let longestInterface = 127

    /// A network namespace's name is one of a file in one folder.
    public static func isNamespace(_ name: String) -> Bool {
        isOneFile(name) && name.utf8.count <= longestNamespace
    }

    static func isInterface(_ name: String) -> Bool {
        isOneFile(name) && !name.utf8.contains(UInt8(ascii: ":")) && !name.contains(where: \.isWhitespace)
    }

    static func isInterfacePattern(_ pattern: String) -> Bool {
        pattern.utf8.count <= 128 && pattern.utf8.allSatisfy(isPrintable) && !pattern.utf8.contains(UInt8(ascii: "/"))
    }

    private static func isOneFile(_ name: String) -> Bool {
        !name.isEmpty && name != "." && name != ".." && name.utf8.allSatisfy(isPrintable)
            && !name.utf8.contains(UInt8(ascii: "/"))
    }

    private static func isPrintable(_ byte: UInt8) -> Bool { byte >= 0x20 && byte != 0x7f }
}
