// SPDX-License-Identifier: Apache-2.0

/// Valid names of things that the kernel knows by name. Compares bytes, not characters: a slash followed by a combining
/// mark is a single character that differs from a slash, but the kernel takes its first byte for one.
public enum KernelNames {
    /// The most bytes of a namespace's name: what a generation's record has room for.
    private static let longestNamespace = 207

    /// The most bytes of a device's alternative name. Its own name has at most 15.
    static let longestInterface = 127

    /// Namespaces are files in one folder, so the name must be a file name.
    public static func isNamespace(_ name: String) -> Bool {
        isOneFile(name) && name.utf8.count <= longestNamespace
    }

    /// Whether a device may have this name.
    public static func isInterface(_ name: String) -> Bool {
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
