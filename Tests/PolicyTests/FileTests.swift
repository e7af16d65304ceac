// SPDX-License-Identifier: Apache-2.0
import Foundation
import Policy
import TestSupport
import Testing

/// What a policy's path may lead to on disk.
@Suite struct FileTests {
    @Test func hugeFileIsRefusedUnread() throws {
        try withDirectory { directory in
            let path = directory + "/policy.yaml"
            #expect(FileManager.default.createFile(atPath: path, contents: Data("version: 1\n".utf8)))
            let file = try #require(FileHandle(forWritingAtPath: path))
            try file.truncate(atOffset: 100 << 20)
            #expect(message(path).hasSuffix("the policy is larger than 64 MiB, the most that is read"))
        }
    }

    @Test func namesTheCause() throws {
        try withDirectory { directory in
            #expect(message(directory).hasSuffix("the policy is a directory, not a file"))
            #expect(message(directory + "/none.yaml").hasSuffix("the policy does not exist"))
            #expect(message("/dev/zero").hasSuffix("the policy is neither a file nor a pipe"))
            let loop = directory + "/loop"
            try FileManager.default.createSymbolicLink(atPath: loop, withDestinationPath: loop)
            #expect(message(loop).hasSuffix("the policy leads through too many symbolic links"))
        }
    }

    /// A pipe, as a shell passes the output of another command.
    @Test func readsPipes() throws {
        let pipe = Pipe()
        try pipe.fileHandleForWriting.write(contentsOf: Data("version: 1\n".utf8))
        try pipe.fileHandleForWriting.close()
        let path = "/dev/fd/\(pipe.fileHandleForReading.fileDescriptor)"
        let loaded = PolicyLoader().load(path) { _ in .empty }
        #expect(loaded.ruleset?.files.first?.text == "version: 1\n")
    }

    @Test func expandsPatternsInOrder() throws {
        let rule = { (name: String) in "rules: [{ name: \(name), action: accept }]\n" }
        let files = MemoryFiles([
            "/etc/bulkhead/policy.yaml": "version: 1\ninclude: [\"*/[ab]?.yaml\", /srv/last.yaml]\n" + rule("own"),
            "/etc/bulkhead/x/b1.yaml": rule("x-b1"), "/etc/bulkhead/x/a1.yaml": rule("x-a1"),
            "/etc/bulkhead/w/a2.yaml": rule("w-a2"), "/etc/bulkhead/w/c1.yaml": rule("w-c1"),
            "/etc/bulkhead/w/.a3.yaml": rule("hidden"), "/srv/last.yaml": rule("last"),
        ])
        let loaded = PolicyLoader(files: files).load("/etc/bulkhead/policy.yaml") { _ in .empty }
        let ruleset = try #require(loaded.ruleset)
        #expect(ruleset.rules.map(\.name) == ["w-a2", "x-a1", "x-b1", "last", "own"])
        #expect(ruleset.rules[0].location.file == "/etc/bulkhead/w/a2.yaml")
        #expect(ruleset.files.map(\.name).first == "/etc/bulkhead/policy.yaml")
        #expect(ruleset.files.count == 5)
    }

    @Test func includesOnlySoDeep() {
        var files = ["0.yaml": "version: 1\ninclude: 1.yaml\n"]
        for index in 1..<40 { files["\(index).yaml"] = "include: \(index + 1).yaml\n" }
        let loaded = PolicyLoader(files: MemoryFiles(files)).load("0.yaml") { _ in .empty }
        #expect(loaded.diagnostics.map(\.description) == ["15.yaml:1:10: error: includes are nested more than 16 deep"])
    }

    /// The host is asked once, with all namespaces in use.
    @Test func asksTheHost() {
        let policy = """
            version: 1
            ports:
              a: { interface: eth0, netns: blue, protects: workload }
              b: { interface: eth0, netns: red, protects: workload }
              c: { interface: eth1, netns: red, protects: workload }
            """
        var asked: [Set<String>] = []
        _ = PolicyLoader(files: MemoryFiles(["p": policy])).load("p") { names in
            asked.append(names)
            return .empty
        }
        #expect(asked == [["blue", "red"]])
    }

    private func message(_ path: String) -> String {
        PolicyLoader().load(path) { _ in .empty }.diagnostics.map(\.message).joined(separator: "; ")
    }

    private func withDirectory(_ body: (String) throws -> Void) throws {
        let path = FileManager.default.temporaryDirectory.path + "/bulkhead-policy-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: path) }
        try body(path)
    }
}
