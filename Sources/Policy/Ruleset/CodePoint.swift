// SPDX-License-Identifier: Apache-2.0

/// The code points of differentiated services by their names: those of RFC 2474, 2597, 3246, 5865 and 8622.
public enum CodePoint {
    private static let values: [String: UInt8] = {
        var names: [String: UInt8] = ["be": 0, "default": 0, "le": 1, "ef": 46, "voice-admit": 44]
        for selector in 0...7 as ClosedRange<UInt8> { names["cs\(selector)"] = selector << 3 }
        for group in 1...4 as ClosedRange<UInt8> {
            for precedence in 1...3 as ClosedRange<UInt8> {
                names["af\(group)\(precedence)"] = group << 3 | precedence << 1
            }
        }
        return names
    }()

    static let names = values.keys.sorted()

    /// In lower or upper case; nil if it is not a name.
    public static func named(_ name: String) -> UInt8? { values[name.lowercased()] }
}
