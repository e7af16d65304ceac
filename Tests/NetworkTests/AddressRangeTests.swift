// SPDX-License-Identifier: Apache-2.0
import Network
import Testing

@Suite struct AddressRangeTests {
    private static func range(_ text: String) throws(AddressRange.ParseError) -> AddressRange {
        try AddressRange(parsing: text.utf8.span)
    }

    @Test(arguments: [
        ("198.51.100.1-198.51.100.1", ["198.51.100.1"]),
        ("198.51.100.0-198.51.100.255", ["198.51.100.0/24"]),
        ("198.51.100.1-198.51.100.6", ["198.51.100.1", "198.51.100.2/31", "198.51.100.4/31", "198.51.100.6"]),
        ("0.0.0.0-255.255.255.255", ["0.0.0.0/0"]),
        ("255.255.255.254-255.255.255.255", ["255.255.255.254/31"]),
        ("2001:db8::-2001:db8::ffff", ["2001:db8::/112"]),
        ("::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ["::/0"]),
    ])
    func givesTheFewestPrefixes(text: String, prefixes: [String]) throws {
        #expect(try Self.range(text).prefixes.map(\.description) == prefixes)
    }

    @Test(arguments: ["", "-", "198.51.100.1", "198.51.100.1-", "-198.51.100.1", "198.51.100.0/24-198.51.101.0", "a-b"])
    func isNotEveryText(text: String) {
        #expect(throws: AddressRange.ParseError.notARange) { try Self.range(text) }
        #expect(!AddressRange.isForm(of: text))
    }

    @Test func saysWhatIsWrong() throws {
        #expect(throws: AddressRange.ParseError.twoFamilies) { try Self.range("198.51.100.1-2001:db8::1") }
        let meant = try Self.range("198.51.100.1-198.51.100.9")
        #expect(throws: AddressRange.ParseError.backwards(meant)) { try Self.range("198.51.100.9-198.51.100.1") }
        #expect(AddressRange.isForm(of: "198.51.100.9-198.51.100.1"))
    }
}
