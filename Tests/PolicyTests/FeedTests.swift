// SPDX-License-Identifier: Apache-2.0
import Foundation
import Network
import Testing

@testable import Policy

/// What a file of addresses may turn out to be, and what is reported about its lines. Root reads the file, but whoever
/// may write to its folder chooses both.
@Suite struct FeedTests {
    private static let policy = """
        version: 1
        include: [team.yaml]
        groups: { bad: { files: [feed.txt] } }
        rules: [{ name: a, from: bad, action: drop }]
        ports: { guest: { interface: tap0, protects: workload } }

        """

    private static let host = HostInventory(namespaces: [
        nil: NamespaceInventory(inode: 1, interfaces: [HostInterface(name: "tap0", index: 2, kind: .tap)])
    ])

    /// A folder with a policy, an included file and a feed. Each test replaces one of them.
    private final class Folder {
        let path: String

        init() throws {
            path = FileManager.default.temporaryDirectory.path + "/bulkhead-feed-\(UUID().uuidString)"
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            try write(FeedTests.policy, to: "policy.yaml")
            try write("groups: {}\n", to: "team.yaml")
            try write("203.0.113.66\n", to: "feed.txt")
        }

        deinit { try? FileManager.default.removeItem(atPath: path) }

        func write(_ text: String, to name: String) throws {
            try text.write(toFile: "\(path)/\(name)", atomically: false, encoding: .utf8)
        }

        func remove(_ name: String) throws { try FileManager.default.removeItem(atPath: "\(path)/\(name)") }

        func link(_ name: String, to target: String) throws {
            try? remove(name)
            try FileManager.default.createSymbolicLink(atPath: "\(path)/\(name)", withDestinationPath: target)
        }

        var messages: [String] {
            PolicyLoader().read("\(path)/policy.yaml").resolve(against: FeedTests.host).diagnostics.map {
                "\($0)".replacingOccurrences(of: path + "/", with: "")
            }
        }
    }

    /// A pipe without data would block every command that reads the policy.
    @Test(arguments: [
        ("feed.txt", "policy.yaml:3:26: error: the file \"feed.txt\""),
        ("team.yaml", "policy.yaml:2:11: error: the included file \"team.yaml\""),
    ])
    func apartFromThePolicyNothingIsReadFromAPipe(name: String, place: String) throws {
        let folder = try Folder()
        try folder.remove(name)
        try #require(unsafe mkfifo("\(folder.path)/\(name)", 0o600) == 0)
        #expect(folder.messages == ["\(place) is not a regular file or a symbolic link to one"])
        for device in ["/dev/zero", "/dev/stdin"] where name == "feed.txt" {
            try folder.link(name, to: device)
            let messages = folder.messages
            #expect(messages.count == 1 && messages[0].hasPrefix(place), "\(messages)")
        }
    }

    @Test func aLinkToAFileIsRead() throws {
        let folder = try Folder()
        try folder.write("203.0.113.66\n", to: "lists")
        try folder.link("feed.txt", to: "lists")
        #expect(folder.messages == [])
    }

    /// Lines of a file that only root may read must not be shown to those who see root's output.
    @Test(arguments: [
        "root:$y$j9T$abc:19000:0:99999:7:::", "c0ffee00c0ffee00c0ffee00c0ffee00", "PrivateKey = q83vEg==",
        "192.0.2.1/secret", "-----BEGIN KEY-----",
    ])
    func linesThatAreNoAddressesAreNotQuoted(secret: String) throws {
        let folder = try Folder()
        try folder.write("# a comment\n \(secret)\n", to: "secret")
        try folder.link("feed.txt", to: "secret")
        #expect(folder.messages == ["feed.txt:2:2: error: this line is not an IPv4 or IPv6 address or prefix"])
    }

    @Test(arguments: [
        ("192.0.2.256", "\"192.0.2.256\" is not an IPv4 or IPv6 address or prefix"),
        ("2001:db8::1::", "\"2001:db8::1::\" is not an IPv4 or IPv6 address or prefix"),
        ("192.0.2.9-192.0.2.1", "the range 192.0.2.9-192.0.2.1 runs backwards; did you mean 192.0.2.1-192.0.2.9?"),
        ("192.0.2.1/33", "the prefix length of \"192.0.2.1/33\" must be a number from 0 to 32"),
    ])
    func whatLooksLikeAnAddressIs(line: String, message: String) throws {
        let folder = try Folder()
        try folder.write("203.0.113.66\n\(line)\n", to: "feed.txt")
        #expect(folder.messages == ["feed.txt:2:1: error: \(message)"])
    }

    /// A character may have any number of combining marks, so cutting by characters would not shorten a text.
    @Test(arguments: ["feed.txt", "policy.yaml", "name", "address"])
    func aMessageIsShortWhateverItQuotes(place: String) {
        let long = "a" + String(repeating: "\u{301}", count: 100_000)
        var files = ["policy.yaml": Self.policy, "team.yaml": "groups: {}\n", "feed.txt": "203.0.113.66\n"]
        switch place {
        case "name": files["team.yaml"] = "groups: { \"\(long)\": {} }\n"
        case "address": files["team.yaml"] = "groups: { x: { addresses: [\"\(long)\"] } }\n"
        case "policy.yaml": files[place] = "version: \"\(long)\"\n"
        default: files[place] = long + "\n"
        }
        let loaded = PolicyLoader(files: MemoryFiles(files)).read("policy.yaml").resolve(against: .empty)
        #expect(!loaded.isValid)
        #expect(loaded.diagnostics.reduce(0) { $0 + $1.message.utf8.count } < 10_000)
    }

    /// Many files of the permitted size could take any amount of memory.
    @Test func allFilesTogetherAreBounded() throws {
        let line = "203.0.113.66 \n"
        let mebibyte = String(repeating: line, count: (1 << 20) / line.utf8.count)
        let problems = Problems()
        let feeds = FeedTable(
            files: MemoryFiles(["a": mebibyte, "b": mebibyte, "c": mebibyte, "d": line]), ports: .empty, host: .empty,
            sizeLimit: 2 << 20, problems)
        let sets = ["a", "b", "c", "d"].map {
            feeds.set($0, at: SourceLocation(file: "policy.yaml", line: 1, column: 1))
        }
        #expect(sets.map(\.isEmpty) == [false, false, true, true])
        #expect(
            problems.diagnostics.map(\.message) == [
                "with the file \"c\" the policy's files of addresses are larger than 2 MiB together, "
                    + "the most that is read"
            ])
    }

    /// Addresses in any order, with repetitions, over several merges: the set has those of all lines.
    @Test func aLongFileIsTheUnionOfItsLines() {
        // A stride that is coprime to 2^17 reaches each of its addresses, in an order far from sorted.
        let addresses = (0..<200_000).map { Prefix(IPAddress(v4: 0xc612_0000 + UInt32($0 &* 48_271 & 0x1ffff))) }
        let problems = Problems()
        let text = addresses.map { "\($0)\n" }.joined()
        let feeds = FeedTable(files: MemoryFiles(["a": text]), ports: .empty, host: .empty, problems)
        let set = feeds.set("a", at: SourceLocation(file: "policy.yaml", line: 1, column: 1))
        #expect(set == AddressSet(addresses))
        #expect(problems.diagnostics.isEmpty)
    }
}
