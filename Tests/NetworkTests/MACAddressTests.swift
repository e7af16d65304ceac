// SPDX-License-Identifier: Apache-2.0
import Network
import Testing

@Suite struct MACAddressTests {
    @Test(arguments: ["52:54:00:ab:cd:ef", "52-54-00-AB-CD-EF"]) func reads(text: String) throws {
        let mac = try #require(MACAddress(text))
        #expect(mac.description == "52:54:00:ab:cd:ef")
        #expect(mac.bytes == [0x52, 0x54, 0, 0xab, 0xcd, 0xef])
        #expect(!mac.isGroup)
    }

    @Test(
        arguments: [
            "", "52:54:00:ab:cd", "52:54:00:ab:cd:ef:01", "52:54:00:ab:cd:e", "52:54:00:ab-cd:ef", "52:54:00:ab:cd:eg",
            "5254.00ab.cdef", "+2:54:00:ab:cd:ef",
        ]) func refuses(text: String)
    {
        #expect(MACAddress(text) == nil)
    }

    @Test(arguments: ["ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "33:33:00:00:00:01"]) func knowsGroups(text: String)
        throws
    {
        #expect(try #require(MACAddress(text)).isGroup)
    }
}
