// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

/// The built executable, next to the test bundle.
private func bulkheadPath() throws -> String {
    let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    return URL(filePath: own).deletingLastPathComponent().appending(path: "bulkhead").path
}

private func bulkhead(_ arguments: String...) throws -> CommandResult {
    try Shell.run([try bulkheadPath()] + arguments)
}

/// A file that is removed with this value.
private final class TemporaryFile: Sendable {
    let path: String

    init(_ text: String, named name: String = "policy.yaml") throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "bulkhead-commands-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        path = folder.appending(path: name).path
        try text.write(toFile: path, atomically: false, encoding: .utf8)
    }

    deinit { try? FileManager.default.removeItem(at: URL(filePath: path).deletingLastPathComponent()) }
}

private let goodPolicy = """
    version: 1
    ports:
      guest: { interface: tap-nowhere, protects: workload, guard: off }
    defaults: { adopt: 0s }
    rules:
      - { name: ping, service: ping, action: accept }

    """

@Suite struct ExecutableTests {
    @Test(arguments: [
        ["check", "--no-such-option"],
        ["no-such-command"],
        ["drops", "--count", "0"],
        ["drops", "--count", "many"],
        ["drops", "--reason", "bad-weather"],
        ["drops", "--host", "198.51.100.300"],
        ["drops", "--host", "198.51.100.1/24"],
        ["drops", "--json", "--pcap", "-"],
        ["flows", "--kill"],
        ["flows", "--state", "open"],
        ["release"],
        ["release", "web-1", "--all"],
        ["status", "--instance", "../escape"],
        ["status", "--instance", ""],
        ["detach"],
        ["detach", "uplink", "--all"],
        ["replay", "trace.pcap", "--port", "uplink"],
        ["replay", "trace.pcap", "--direction", "in"],
        ["replay", "trace.pcap", "--port", "uplink", "--direction", "in", "--inside", "198.51.100.0/24"],
        ["replay", "trace.pcap", "--port", "uplink", "--inside", "198.51.100.1/24"],
        ["replay", "trace.pcap", "--port", "uplink", "--direction", "sideways"],
        ["explain", "198.51.100.1", "198.51.100.2"],
        ["explain", "198.51.100.1", "198.51.100.2", "tcp/1-2"],
        ["explain", "198.51.100.1", "198.51.100.2", "tcp/1", "--at", "uplink"],
        ["explain", "198.51.100.1", "198.51.100.2", "tcp/1", "--vlan", "4095"],
    ])
    func wrongUsageExitsWith64(arguments: [String]) throws {
        let result = try Shell.run([try bulkheadPath()] + arguments)
        #expect(result.status == 64, "\(result.errors)")
        #expect(result.output.isEmpty)
        #expect(result.errors.contains("Usage:"), "\(result.errors)")
    }

    @Test(arguments: [
        ["top", "run"], ["top", "--json"], ["help", "top"],
    ])
    func whatLaterVersionsBringIsRefusedByName(arguments: [String]) throws {
        let result = try Shell.run([try bulkheadPath()] + arguments)
        #expect(result.status == 1)
        #expect(result.output.isEmpty)
        #expect(result.errors.contains("is not supported yet"), "\(result.errors)")
    }

    @Test(arguments: [
        "check", "apply", "confirm", "rollback", "log", "show", "status", "counters", "drops", "explain", "replay",
        "quarantine",
        "release", "detach",
    ])
    func helpShowsAnExample(command: String) throws {
        let result = try bulkhead(command, "--help")
        #expect(result.status == 0)
        #expect(result.output.contains("Example:\n  bulkhead \(command)"), "\(result.output)")
    }

    @Test func checkTakesAGoodPolicy() throws {
        let file = try TemporaryFile(goodPolicy)
        let result = try bulkhead("check", "--json", file.path)
        #expect(result.status == 0)
        #expect(
            result.output.hasPrefix(
                #"{"valid": true, "diagnostics": [{"severity": "warning", "file": "\#(file.path)", "#
                    + #""line": 3, "column": "#))
        #expect(result.output.contains(#"}], "ports": [{"name": "guest", "#), "\(result.output)")
    }

    @Test func strictCheckFailsOnWarnings() throws {
        let file = try TemporaryFile(goodPolicy)
        let result = try bulkhead("check", "--strict", file.path)
        #expect(result.status == 1)
        #expect(result.errors.contains("\(file.path):3:"), "\(result.errors)")
    }

    @Test func checkSaysWhichGuardsAreInForce() throws {
        let file = try TemporaryFile(
            "version: 1\nports:\n  guest: { interface: tap-guest, protects: workload, addresses: [198.51.100.10] }\n")
        let result = try bulkhead("check", "--json", file.path)
        #expect(result.output.contains(#""guards": ["ip", "arp", "nd", "dhcp-server", "ra"]}"#), "\(result.output)")
    }

    @Test(
        arguments: [
            ("version: 2\n", "1:10"),
            ("version: 1\nrule: []\n", "2:1"),
            ("version: 1\nports: { a: { interface: eth0, protects: hosts } }\n", "2:"),
            ("version: 1\nrules: [\n", "3:1"),
            ("", "1:1"),
        ] as [(String, String)])
    func checkNamesThePlaceOfAnError(text: String, place: String) throws {
        let file = try TemporaryFile(text)
        let result = try bulkhead("check", file.path)
        #expect(result.status == 1)
        #expect(result.errors.contains("\(file.path):\(place)"), "\(result.errors)")
        let json = try bulkhead("check", "--json", file.path)
        #expect(json.status == 1)
        #expect(
            json.output.hasPrefix(
                #"{"valid": false, "diagnostics": [{"severity": "error", "file": "\#(file.path)", "line": "#))
    }

    @Test(arguments: ["/nonexistent/policy.yaml", "/", "/dev/zero"])
    func checkRefusesWhatIsNoFile(path: String) throws {
        let result = try bulkhead("check", path)
        #expect(result.status == 1)
        #expect(result.errors.contains(path), "\(result.errors)")
    }

    @Test func aClosedPipeIsNoFailure() throws {
        let file = try TemporaryFile(goodPolicy)
        let script =
            "set -o pipefail; '\(try bulkheadPath())' check --json '\(file.path)' | head -c 0; exit ${PIPESTATUS[0]}"
        #expect(try Shell.run(["bash", "-c", script]).status == 0)
    }

    /// Without care, the next opened file would get the closed descriptor's number, and writing to it would fail.
    @Test(arguments: [">&-", "<&- >&-", "2>&-", "<&- >&- 2>&-"])
    func aClosedDescriptorIsNoFailure(closing: String) throws {
        let file = try TemporaryFile(goodPolicy)
        let script = "'\(try bulkheadPath())' check --json '\(file.path)' \(closing)"
        let result = try Shell.run(["bash", "-c", script])
        #expect(result.status == 0, "\(result.errors)")
    }

    /// Swift alone would find no arguments there, print the help and exit with 0.
    @Test func argumentsAreReadWithoutProc() throws {
        let script = "umount -l /proc && exec \"$0\" check /nonexistent/policy.yaml"
        let result = try Shell.run(["unshare", "--mount", "sh", "-c", script, try bulkheadPath()])
        #expect(result.status == 1)
        #expect(result.errors.contains("/nonexistent/policy.yaml"))
    }

    @Test func aFullDiskIsNamed() throws {
        let file = try TemporaryFile(goodPolicy)
        let script = "'\(try bulkheadPath())' check --json '\(file.path)' > /dev/full"
        let result = try Shell.run(["bash", "-c", script])
        #expect(result.status == 1)
        #expect(result.errors.contains("no space left on the device"), "\(result.errors)")
    }

    @Test(arguments: ["status", "counters", "show", "drops"])
    func anInstanceThatIsNotThereIsNamed(command: String) throws {
        let result = try bulkhead(command, "--instance", "bh-nowhere-\(getpid())")
        #expect(result.status == 1)
        #expect(result.output.isEmpty)
        #expect(result.errors.hasPrefix("Error: "), "\(result.errors)")
    }
}

@Suite struct ProofCommandTests {
    private static let site = """
        version: 1
        ports:
          uplink: { interface: eth-nowhere, protects: host }
          db-1: { interface: tap-nowhere, protects: workload, addresses: [198.51.100.20], groups: [db] }
        groups: { db: {}, office: { addresses: 203.0.113.0/24 } }
        rules:
          - { name: db, from: office, to: db, service: tcp/5432, action: accept }

        """
    private static let closed = "assertions: [ { name: closed, from: office, to: db, expect: drop } ]\n"

    @Test func diffExitsWithTwoWhereTrafficChanges() throws {
        let old = try TemporaryFile(Self.site)
        let renamed = try TemporaryFile(Self.site.replacing("name: db,", with: "name: database,"))
        let other = try TemporaryFile(Self.site.replacing("tcp/5432", with: "tcp/5433"))
        let flows = try TemporaryFile(
            """
            {"port": "uplink", "protocol": "tcp", "src": "203.0.113.9", "sport": 40000, "dst": "198.51.100.20", \
            "dport": 5432, "vlan": null, "direction": "in", "state": "established"}

            """, named: "flows.json")
        let same = try bulkhead("diff", "--exit-code", "--flows", flows.path, old.path, renamed.path)
        #expect(same.status == 0)
        #expect(same.output.contains("no traffic changes"))
        #expect(same.output.contains("0 of 1 open flow would end"))
        let changed = try bulkhead("diff", "--exit-code", "--json", "--flows", flows.path, old.path, other.path)
        #expect(changed.status == 2, "\(changed.errors)")
        #expect(changed.output.contains("\"flowsEnded\": [{\"port\": \"uplink\", \"from\": \"203.0.113.9\""))
        #expect(changed.output.contains("\"service\": [\"tcp/5433\"], \"port\": \"db-1\", \"direction\": \"in\""))
        withExtendedLifetime([old, renamed, other, flows]) {}
    }

    /// A device that one policy does not judge is compared with nothing, but its traffic changes.
    @Test(arguments: [
        ("  db-1: { interface: tap-nowhere", "  # db-1: { interface: tap-nowhere"), ("eth-nowhere", "eth-elsewhere"),
        ("ports:\n", "ports:\n  more: { interface: more-nowhere, protects: host }\n"),
    ])
    func aPortThatComesOrGoesChangesTraffic(text: String, other: String) throws {
        let site = Self.site.replacing("from: office, to: db,", with: "from: office, to: 198.51.100.20,")
        let old = try TemporaryFile(site)
        let new = try TemporaryFile(site.replacing(text, with: other))
        let result = try bulkhead("diff", "--exit-code", old.path, new.path)
        #expect(result.status == 2, "\(result)")
        #expect(result.output.contains("where a port comes or goes, everything passes"), "\(result.output)")
        #expect(!result.output.contains("no traffic changes\n"), "\(result.output)")
        let json = try bulkhead("diff", "--json", old.path, new.path)
        #expect(json.status == 0 && json.output.contains("\"changesTraffic\": true"), "\(json.output)")
        withExtendedLifetime([old, new]) {}
    }

    @Test func aRenamedPortChangesNone() throws {
        let old = try TemporaryFile(Self.site)
        let new = try TemporaryFile(Self.site.replacing("db-1", with: "db-one"))
        let result = try bulkhead("diff", "--exit-code", old.path, new.path)
        #expect(result.status == 0 && result.output.contains("no traffic changes\n"), "\(result)")
        withExtendedLifetime([old, new]) {}
    }

    @Test func aFailingAssertionIsAnError() throws {
        let policy = try TemporaryFile(Self.site + Self.closed)
        let check = try bulkhead("check", "--json", policy.path)
        #expect(check.status == 1)
        #expect(check.output.contains("\"code\": \"assertion\", \"by\": [\"db\"], \"example\": {\"from\": \"203.0.113"))
        withExtendedLifetime(policy) {}
    }

    /// Whichever part of the check finds something, it stands where it is looked for, and what it comes to at the end.
    @Test func findingsStandByPlace() throws {
        let text = Self.site + "  - { name: never, from: office, to: db, service: tcp/5432, action: drop }\n"
        let odd = text.replacing("groups: {", with: "services: { idle: tcp/1 }\ngroups: { none: {},") + Self.closed
        let policy = try TemporaryFile(odd)
        let check = try bulkhead("check", policy.path)
        #expect(check.status == 1 && check.output.isEmpty)
        let lines = check.errors.split(separator: "\n").map(String.init)
        #expect(lines.last == "\(policy.path): not valid, 1 error, 6 warnings", "\(check.errors)")
        let places = lines.dropLast().compactMap { Int($0.dropFirst(policy.path.count + 1).prefix { $0 != ":" }) }
        #expect(places.count == lines.count - 1 && places == places.sorted(), "\(check.errors)")
        withExtendedLifetime(policy) {}
    }

    @Test func reachAnswersInTheNamesOfGroups() throws {
        let policy = try TemporaryFile(Self.site)
        let reach = try bulkhead("reach", "--to", "db", "--json", "--policy", policy.path)
        #expect(reach.status == 0)
        #expect(
            reach.output.hasPrefix(
                "{\"rows\": [{\"from\": [\"office\"], \"to\": [\"db\"], \"service\": [\"tcp/5432\"], "
                    + "\"ports\": [\"uplink\", \"db-1\"], \"rules\": [\"db\", \"db\"]"))
        #expect(try bulkhead("reach", "--to", "dp", "--policy", policy.path).errors.contains("did you mean 'db'"))
        withExtendedLifetime(policy) {}
    }
}
