// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

/// What a shell offers when a word of a command is completed: the completion script in a real shell, and the names that
/// it asks the command for.
@Suite struct CompletionTests {
    /// Two devices have names that bash would run, and are never offered.
    private static let policy = """
        version: 1
        ports:
          guests: { interface: [tap-one, tap-two], protects: workload, guard: off }
          lone: { interface: tap-lone, protects: workload, guard: off }
          evil: { interface: ["$(echo${IFS}run)", "`id`"], protects: workload, guard: off }
        groups:
          blocked: { dynamic: {} }
          office: { addresses: 203.0.113.0/24 }
        services: { site: tcp/80 }
        rules:
          - { name: deny, from: blocked, action: drop }
          - { name: deny-office, from: office, service: site, action: drop }

        """

    private let folder: URL
    private let executable: String

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "bulkhead-completion-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        executable = URL(filePath: own).deletingLastPathComponent().appending(path: "bulkhead").path
        try Self.policy.write(to: folder.appending(path: "policy.yaml"), atomically: false, encoding: .utf8)
        let script = try Shell.check(executable, "--generate-completion-script", "bash")
        try script.write(to: folder.appending(path: "completion"), atomically: false, encoding: .utf8)
    }

    private var file: String { folder.appending(path: "policy.yaml").path }

    private func removeAll() { try? FileManager.default.removeItem(at: folder) }

    /// What bash offers for the last of these words of a command.
    private func offered(_ words: [String], prelude: String = "true") throws -> (status: Int32, words: [String]) {
        let line = "bulkhead " + words.joined(separator: " ")
        let script = """
            \(prelude)
            source '\(folder.path)/completion'
            COMP_WORDS=('\(executable)' "$@")
            COMP_CWORD=$#
            COMP_LINE='\(line)'
            COMP_POINT=\(line.utf8.count)
            _bulkhead bulkhead "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
            printf '%s\\n' "${COMPREPLY[@]}"
            """
        let result = try Shell.run(["unshare", "--mount", "bash", "-c", script, "bash"] + words)
        #expect(result.errors.isEmpty, "\(result.errors)")
        return (result.status, result.lines)
    }

    @Test(
        arguments: [
            (
                ["replay", "trace.pcap", "--policy", "FILE", "--port", ""],
                ["evil", "guests", "guests/tap-one", "guests/tap-two", "lone", "tap-lone", "tap-one", "tap-two"]
            ),
            (["replay", "trace.pcap", "--policy", "FILE", "--port", "lo"], ["lone"]),
            (["explain", "--policy", "FILE", "guests/"], ["guests/tap-one", "guests/tap-two"]),
            (["explain", "--policy", "FILE", "lone", "lone", "si"], ["sip", "site"]),
            (["drops", "--reason", "guard-m"], ["guard-mac"]),
            (["flows", "--state", "clos"], ["closing", "closed"]),
            (["gro"], ["group"]),
        ] as [([String], [String])])
    func bashOffersTheNamesOfAPolicy(words: [String], expected: [String]) throws {
        defer { removeAll() }
        #expect(try offered(words.map { $0 == "FILE" ? file : $0 }).words == expected)
    }

    /// Where no policy is in force, the names are those of the standard file.
    @Test(
        arguments: [
            (["drops", "--rule", ""], ["deny", "deny-office"]), (["group", "add", ""], ["blocked"]),
            (["quarantine", "lo"], ["lone"]), (["release", "tap-o"], ["tap-one"]),
            (["drops", "--service", "sit"], ["site"]),
        ] as [([String], [String])])
    func withoutAPolicyInForceTheFileCounts(words: [String], expected: [String]) throws {
        defer { removeAll() }
        let prelude = """
            mount -t tmpfs none /etc && mkdir /etc/bulkhead && cp '\(file)' /etc/bulkhead/policy.yaml
            mount -t tmpfs none /sys/fs/bpf
            """
        #expect(try offered(words, prelude: prelude).words == expected)
    }

    /// No policy, one with errors, or none that may be read: nothing is offered, and nothing is said.
    @Test(arguments: ["/nonexistent/policy.yaml", "/", "BROKEN"]) func aFailureIsSilent(path: String) throws {
        defer { removeAll() }
        let broken = folder.appending(path: "broken.yaml").path
        try "version: 1\nports: [\n".write(toFile: broken, atomically: false, encoding: .utf8)
        let words = ["replay", "trace.pcap", "--policy", path == "BROKEN" ? broken : path, "--port", ""]
        #expect(try offered(words).words.isEmpty)
        let instance = "bh-nowhere-\(getpid())"
        let asked = try Shell.run([
            executable, "---completion", "drops", "--", "--rule", "4", "0", "bulkhead", "drops", "--instance", instance,
            "--rule", "",
        ])
        #expect(asked.status == 0)
        #expect(asked.errors.isEmpty)
    }
}
