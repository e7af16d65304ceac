// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

extension Integration {
    /// An apply that would cut the session it is run over is refused: over a real sshd.
    @Suite(.serialized) struct LockoutTests {
        private static let open = "  - { name: ssh, service: tcp/22, action: accept }"
        private static let shut = "  - { name: web, service: tcp/80, action: accept }"

        private func site() throws -> (site: UplinkSite, shell: SecureShell) {
            let site = try UplinkSite()
            try site.lab.address(site.network, "net0", "fe80::1/64")
            try site.lab.address(site.host, "up0", "fe80::2/64")
            return (site, try SecureShell(site.lab, in: site.host))
        }

        /// Runs `bulkhead apply POLICY OPTIONS` over a session that must live on.
        private func apply(
            _ policy: String, _ site: UplinkSite, _ shell: SecureShell, options: [String] = [],
            to address: String = "192.0.2.2"
        ) throws -> (status: Int?, text: String) {
            let words = [Bulkhead.executable, "apply", policy, "--instance", site.bulkhead.instance] + options
            let result = try shell.run(from: site.network, to: address, words.quoted + " 2>&1; echo status=$?")
            let status = result.output.split(separator: "\n").last { $0.hasPrefix("status=") }
            return (status.flatMap { Int($0.dropFirst(7)) }, result.output)
        }

        private func isInForce(_ site: UplinkSite) throws -> Bool { try site.bulkhead.run("status").status == 0 }

        @Test(arguments: ["192.0.2.2", "2001:db8::2", "fe80::2%net0"])
        func whatWouldCutTheSessionIsRefused(address: String) throws {
            let (site, shell) = try site()
            let shut = try site.policy(Self.shut)
            let refused = try apply(shut, site, shell, to: address)
            #expect(refused.status == 1, "\(refused.text)")
            let clients = ["192.0.2.2": "192.0.2.1:", "2001:db8::2": "[2001:db8::1]:", "fe80::2%net0": "[fe80::1]:"]
            let client = try #require(clients[address])
            for part in [
                "would cut the session that this command is run over (sshd", "TCP from \(client)",
                "port uplink would drop its packets from", "in direction in, by the default, \(shut):3", "--force",
                "service: tcp/22, action: accept }",
            ] {
                #expect(refused.text.contains(part), "\(part): \(refused.text)")
            }
            #expect(try !isInForce(site))
            // A rule that denies it is named.
            let denied = try site.policy("  - { name: no-ssh, service: tcp/22, action: reject }\n" + Self.shut)
            let named = try apply(denied, site, shell, to: address)
            #expect(named.text.contains("would reject its packets"), "\(named.text)")
            #expect(named.text.contains("by rule no-ssh, \(denied):5"), "\(named.text)")
            // What accepts it comes into force, and the session lives on.
            let accepted = try apply(try site.policy(Self.open), site, shell, to: address)
            #expect(accepted.status == 0, "\(accepted.text)")
            // Also where a flow carries it now.
            let again = try apply(try site.policy(Self.shut), site, shell, to: address)
            #expect(again.status == 1, "\(again.text)")
            #expect(try site.bulkhead.status().generation == 1)
        }

        @Test func forceOverridesAndADryRunWarns() throws {
            let (site, shell) = try site()
            let shut = try site.policy(Self.shut)
            let rehearsed = try apply(shut, site, shell, options: ["--dry-run"])
            #expect(rehearsed.status == 0)
            #expect(rehearsed.text.contains("apply would be refused: the policy would cut"), "\(rehearsed.text)")
            let command = try Command(
                shell.command(
                    from: site.network, to: "192.0.2.2",
                    [Bulkhead.executable, "apply", shut, "--force", "--instance", site.bulkhead.instance].quoted))
            #expect(try poll(seconds: 30) { try isInForce(site) })
            command.signal(SIGKILL)
        }

        /// Where open connections are not adopted, a port that is filtered from now on cuts them, whatever its rules.
        @Test func adoptingCounts() throws {
            let (site, shell) = try site()
            let policy = try site.policy(Self.open)
            let text = try String(contentsOfFile: policy, encoding: .utf8)
            try (text + "\ndefaults: { adopt: 0s }\n").write(toFile: policy, atomically: true, encoding: .utf8)
            let refused = try apply(policy, site, shell)
            #expect(refused.status == 1, "\(refused.text)")
            #expect(refused.text.contains("only while \"adopt\" lasts"), "\(refused.text)")
            #expect(refused.text.contains("by reason invalid-state"), "\(refused.text)")
            // Where the port is filtered already, a flow carries the session.
            try site.bulkhead.apply(try site.policy(Self.open, name: "first.yaml"))
            let accepted = try apply(policy, site, shell)
            #expect(accepted.status == 0, "\(accepted.text)")
        }

        /// Flows belong to an entry of the host, so a new name loses them.
        @Test func anotherEntryIsRefused() throws {
            let (site, shell) = try site()
            let policy = try site.policy(Self.open)
            try site.bulkhead.apply(policy)
            let text = try String(contentsOfFile: policy, encoding: .utf8).replacing("uplink:", with: "wan:")
            let refused = try apply(try site.lab.file("renamed.yaml", text), site, shell)
            #expect(refused.status == 1, "\(refused.text)")
            #expect(refused.text.contains("keep the entry's name"), "\(refused.text)")
            // A policy without the port lets everything pass there.
            let other = try site.lab.file("none.yaml", "version: 1\nports: {}\n")
            #expect(try apply(other, site, shell).status == 0)
        }

        /// The session is found through a shell of another user, and through multiplexers, whose servers are nobody's
        /// children: by the terminal of the client that is attached.
        @Test(arguments: ["su", "setsid", "tmux", "screen"])
        func theSessionIsFoundBehindOtherProcesses(_ way: String) throws {
            let (site, shell) = try site()
            let words = [
                Bulkhead.executable, "apply", try site.policy(Self.shut), "--instance", site.bulkhead.instance,
            ].quoted
            let output = try site.lab.file("output", "")
            let script = try site.lab.file("run.sh", "\(words) > \(output) 2>&1; echo status=$? >> \(output)\n")
            let name = site.lab.id
            let command =
                switch way {
                case "su": "su root -c 'sh \(script)'"
                case "setsid": "setsid -w sh \(script)"
                case "tmux": "TERM=xterm tmux -L \(name) new-session 'sh \(script)'"
                default: "mkdir -m 700 \(output).d; SCREENDIR=\(output).d TERM=xterm screen -S \(name) sh \(script)"
                }
            let session = try Command(
                shell.command(from: site.network, to: "192.0.2.2", onTerminal: true, command))
            let isDone = poll(seconds: 60) {
                (try? String(contentsOfFile: output, encoding: .utf8))?.contains("status=") == true
            }
            #expect(isDone, "\(session.output)\(session.errors)")
            let text = try String(contentsOfFile: output, encoding: .utf8)
            #expect(text.contains("would cut the session") && text.contains("status=1"), "\(text)")
            session.signal(SIGKILL)
        }

        /// A session that comes from a guest crosses the guest's own port.
        @Test func aJumpThroughAGuestCrossesItsPort() throws {
            let site = try BridgeSite()
            try site.lab.address(site.host, "br0", "198.51.100.254/24")
            let shell = try SecureShell(site.lab, in: site.host)
            func policy(_ rules: String) throws -> String {
                try site.lab.file(
                    "policy.yaml",
                    """
                    version: 1
                    ports:
                      a: { interface: vm-a, protects: workload, addresses: [198.51.100.1], defaults: { out: drop } }
                      b: { interface: vm-b, protects: workload, addresses: [198.51.100.2], defaults: { out: drop } }
                    rules:
                    \(rules)
                    """)
            }
            func apply(_ policy: String) throws -> CommandResult {
                let words = [Bulkhead.executable, "apply", policy, "--instance", site.bulkhead.instance]
                return try shell.run(from: site.a, to: "198.51.100.254", words.quoted + " 2>&1")
            }
            let other = "  - { name: ssh, from: 198.51.100.2, service: tcp/22, action: accept }"
            let refused = try apply(try policy(other))
            #expect(refused.status == 1)
            #expect(refused.output.contains("port a would drop its packets"), "\(refused.output)")
            #expect(refused.output.contains("in direction out, by the default"), "\(refused.output)")
            let accepted = try apply(try policy("  - { name: ssh, service: tcp/22, action: accept }"))
            #expect(accepted.status == 0, "\(accepted.output)")
        }

        /// An earlier policy may cut it as well.
        @Test func rollbackIsHeldToIt() throws {
            let (site, shell) = try site()
            try site.bulkhead.apply(try site.policy(Self.shut))
            try site.bulkhead.apply(try site.policy(Self.open))
            let words = [Bulkhead.executable, "rollback", "--instance", site.bulkhead.instance].quoted
            let refused = try shell.run(from: site.network, to: "192.0.2.2", words + " 2>&1")
            #expect(refused.status == 1 && refused.output.contains("would cut the session"), "\(refused.output)")
            #expect(try site.bulkhead.status().generation == 2)
        }
    }
}
