// SPDX-License-Identifier: Apache-2.0
import Policy
import Testing

@Suite struct GlobTests {
    @Test(
        arguments: [
            ("*", "", true), ("*", "eth0", true), ("eth*", "eth0", true), ("eth*", "eth", true), ("eth*", "et", false),
            ("*0", "eth0", true), ("*0", "eth01", false), ("e*h*0", "eth00", true), ("e**0", "e0", true),
            ("eth?", "eth0", true), ("eth?", "eth", false), ("eth?", "eth10", false), ("eth[0-2]", "eth2", true),
            ("eth[0-2]", "eth3", false), ("eth[!0-2]", "eth3", true), ("eth[!0-2]", "eth1", false),
            ("[]x]", "]", true), ("[a-]", "-", true), ("tap", "tap", true), ("tap", "tap1", false), ("", "", true),
            ("*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
        ]) func matches(pattern: String, text: String, expected: Bool) throws
    {
        #expect(try #require(Glob(pattern)).matches(text) == expected)
    }

    @Test(arguments: ["[", "a[", "[]", "[z-a]", "[!", "[a-"]) func refuses(pattern: String) {
        #expect(Glob(pattern) == nil)
    }

    @Test(arguments: ["tap*", "*", "eth?", "eth[0-3]", "[!a]x[b-c]", "a[xy]b[zw]"])
    func itHasAFreeExample(pattern: String) throws {
        let glob = try #require(Glob(pattern))
        let first = try #require(glob.example { _ in true })
        let other = glob.example { $0 != first }
        #expect(glob.matches(first) && other.map(glob.matches) ?? true)
        #expect((other != nil) == pattern.contains("["))
    }

    @Test func noExampleIsTaken() throws {
        let taken = ["eth0", "eth1", "eth2"]
        #expect(try #require(Glob("eth[0-3]")).example { !taken.contains($0) } == "eth3")
        #expect(try #require(Glob("eth[0-2]")).example { !taken.contains($0) } == nil)
    }
}
