import Network
import Testing

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
}
