// SPDX-License-Identifier: Apache-2.0
import Network
import Testing

private func prefix(_ address: UInt32, _ length: Int) -> Prefix { Prefix(IPAddress(v4: address), length: length) }

@Suite struct PrefixTests {
    @Test(
        arguments: [
            ("0.0.0.0/0", UInt128(0), UInt128(UInt32.max)), ("192.0.2.0/24", 0xc000_0200, 0xc000_02ff),
            ("192.0.2.1", 0xc000_0201, 0xc000_0201), ("::/0", 0, .max), ("8000::/1", 1 << 127, .max),
        ]) func reaches(text: String, first: UInt128, last: UInt128) throws
    {
        let prefix = try Prefix(parsing: text)
        #expect(prefix.first == first)
        #expect(prefix.last == last)
    }

    @Test(
        arguments: [
            ("192.0.2.0/24", "192.0.2.0/24"), ("192.0.2.1", "192.0.2.1"), ("192.0.2.1/32", "192.0.2.1"),
            ("0.0.0.0/0", "0.0.0.0/0"), ("::/0", "::/0"), ("2001:db8::/32", "2001:db8::/32"), ("::1/128", "::1"),
        ]) func reads(text: String, canonical: String) throws
    {
        #expect(try Prefix(parsing: text).description == canonical)
    }

    @Test(
        arguments: [
            ("192.0.2.1/24", Prefix.ParseError.hostBits(prefix(0xc000_0200, 24))),
            ("128.0.0.0/0", .hostBits(prefix(0, 0))), ("192.0.2.0/33", .badLength), ("192.0.2.0/", .badLength),
            ("192.0.2.0/+8", .badLength), ("192.0.2.0/24/1", .badLength), ("192.0.2.0/255.255.255.0", .badLength),
            ("192.0.2.0/99999999999999999999", .badLength), ("::/129", .badLength), ("", .notAnAddress),
            ("/24", .notAnAddress), ("192.0.2/24", .notAnAddress), (" 192.0.2.1", .notAnAddress),
        ]) func refuses(text: String, error: Prefix.ParseError)
    {
        #expect(throws: error) { try Prefix(parsing: text) }
    }

    @Test func containsItsAddresses() {
        #expect(prefix(0xc000_0200, 24).contains(IPAddress(v4: 0xc000_02ff)))
        #expect(!prefix(0xc000_0200, 24).contains(IPAddress(v4: 0xc000_0300)))
        #expect(!prefix(0xc000_0200, 24).contains(IPAddress(v6: 0xc000_0201)))
    }
}
