// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

/// `bulkhead import` as it is run: what goes where, and how it ends.
@Suite struct ImportCommandTests {
    private static let whole = "*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp --dport 22 -j ACCEPT\nCOMMIT\n"
        .replacing(
            "-A INPUT", with: "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A INPUT")
    private static let partial = whole.replacing("COMMIT", with: "-A INPUT -m mark --mark 0x1 -j ACCEPT\nCOMMIT")

    private static func run(_ text: String, _ arguments: String...) throws -> CommandResult {
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let bulkhead = URL(filePath: own).deletingLastPathComponent().appending(path: "bulkhead").path
        return try Shell.run([bulkhead, "import", "--from", "iptables-save", "-"] + arguments, input: text)
    }

    @Test(arguments: [[], ["--strict"]]) func whatIsWholeIsWritten(options: [String]) throws {
        let result = try options.isEmpty ? Self.run(Self.whole) : Self.run(Self.whole, "--strict")
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.output.contains("service: ssh"))
        #expect(result.errors == "")
    }

    @Test func whatIsLeftOutIsNamedAndExits2() throws {
        let result = try Self.run(Self.partial)
        #expect(result.status == 2)
        #expect(result.output.contains("service: ssh"))
        #expect(result.errors.contains("-:5: left out: -A INPUT -m mark --mark 0x1 -j ACCEPT: cannot say: "))
    }

    @Test func strictWritesNothingAndSaysWhatItLacks() throws {
        let result = try Self.run(Self.partial, "--strict")
        #expect(result.status == 2)
        #expect(result.output == "")
        #expect(result.errors.contains("left out: -A INPUT -m mark"))
        #expect(result.errors.contains("nothing is written"))
    }

    @Test func whatIsNoRuleSetExits1() throws {
        let result = try Self.run("hello\n", "--strict")
        #expect(result.status == 1)
        #expect(result.output == "")
        #expect(result.errors.contains("-:1: expected a table"))
    }

    // MARK: Files told apart by their names

    private static func runNode(_ files: [String: String], _ arguments: String...) throws -> CommandResult {
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let bulkhead = URL(filePath: own).deletingLastPathComponent().appending(path: "bulkhead").path
        let folder = FileManager.default.temporaryDirectory.appending(path: "bh-node-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        for (name, text) in files {
            try Data(text.utf8).write(to: folder.appending(path: name))
        }
        let paths = files.keys.sorted().map { folder.appending(path: $0).path }
        return try Shell.run([bulkhead, "import", "--from", "proxmox"] + paths + arguments, input: "")
    }

    private static let node = [
        "cluster.fw": "[OPTIONS]\nenable: 1\n[ALIASES]\nlocal_network 192.0.2.0/24\n[RULES]\nIN SSH(ACCEPT)\n",
        "host.fw": "", "corosync.conf": "",
    ]

    @Test func aNodeThatIsSaidWholeExits0() throws {
        let result = try Self.runNode(Self.node, "--strict")
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.output.contains("name: host-ssh"))
    }

    @Test func aNodeOfWhichSomethingIsLeftOutExits2() throws {
        var files = Self.node
        files["host.fw"] = "[RULES]\nIN ACCEPT -source +nobody\n"
        let result = try Self.runNode(files)
        #expect(result.status == 2)
        #expect(result.output.contains("name: host-ssh"))
        #expect(result.errors.contains("host.fw:2: left out: IN ACCEPT -source +nobody: cannot say: "))
        let strict = try Self.runNode(files, "--strict")
        #expect(strict.status == 2 && strict.output == "")
    }

    @Test func filesOfNoNodeExit1() throws {
        let result = try Self.runNode(["rules.v4": ""])
        #expect(result.status == 1)
        #expect(result.errors.contains("the name must say what the file is"))
    }
}
