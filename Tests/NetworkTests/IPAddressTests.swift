// SPDX-License-Identifier: Apache-2.0
import Network
import Testing

@Suite struct IPAddressTests {
    @Test(
        arguments: [
            ("192.0.2.1", "192.0.2.1"), ("2001:db8::1", "2001:db8::1"), ("2001:DB8:0:0:0:0:0:0", "2001:db8::"),
            ("::", "::"), ("::ffff:192.0.2.1", "::ffff:192.0.2.1"), ("1:0:0:2:0:0:0:3", "1:0:0:2::3"),
        ]) func readsAndPrints(text: String, canonical: String) throws
    {
        #expect(try #require(IPAddress(text)).description == canonical)
    }

    @Test(
        arguments: [
            "", "1.2.3", "1.2.3.256", "01.2.3.4", "1.2.3.4.5", ":", ":::", "1::2::3", "1:2:3:4:5:6:7:8:9",
            "12345::", "1:2:3:4:5:6:7::8", "::1.2.3", "fe80::1%eth0", "g::",
        ]) func refuses(text: String)
    {
        #expect(IPAddress(text) == nil)
    }
}
