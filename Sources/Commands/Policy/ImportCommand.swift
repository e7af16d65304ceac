// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control
import Import
import Policy
import Rendering

extension ImportFormat: ExpressibleByArgument {}

struct ImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Make a policy of another firewall's rule set.",
        discussion: """
            Writes a policy to standard output. It never accepts what the rule set drops. What it cannot say stands as \
            a comment at its place, and on standard error with file and line; the command then ends with 2. NAT stays \
            where it is.

            Give all files of a rule set at once: those of iptables-save and ip6tables-save, and of `ipset save`. The \
            names of those of a Proxmox VE node say what they are: cluster.fw, host.fw, corosync.conf, 100.fw and \
            100.conf of guest 100.

            Example:
              iptables-save > rules.v4
              ip6tables-save > rules.v6
              bulkhead import --from iptables-save rules.v4 rules.v6 > policy.yaml
              bulkhead check policy.yaml
              cd /etc/pve
              bulkhead import --from proxmox firewall/*.fw local/host.fw local/*/*.conf corosync.conf
            """)

    @Option(
        help: ArgumentHelp(
            "What wrote the files: \(ImportFormat.allCases.map(\.rawValue).joined(separator: ", ")).",
            valueName: "format"))
    var from: ImportFormat
    @Argument(help: "The files of the rule set; - stands for standard input.", completion: .file())
    var files: [String]
    @Option(
        help: ArgumentHelp(
            "A file that says what the devices are: eth0: { port: wan, networks: default }.", valueName: "map"),
        completion: .file(extensions: ["yaml", "yml"]))
    var ports: String?
    @Flag(help: "Write no policy if something would be left out.")
    var strict = false

    func run() throws {
        let map = try ports.map { try ImportCommand.source($0) }
        let sources = try files.map { try ImportCommand.source($0) }
        let policy: ImportedPolicy
        do {
            policy = try ImportedPolicy.of(sources, format: from, ports: map.map { try PortMap($0) } ?? PortMap())
        } catch let error as ImportError {
            throw Refusal("the rule set cannot be imported: \(error)")
        }
        for note in policy.notes { StandardError.line("\(note.description)") }
        if policy.isComplete || !strict {
            try StandardOutput.write(Words(verbatim: policy.text))
        } else {
            StandardError.line("nothing is written, because of --strict")
        }
        if !policy.isComplete { throw ExitCode(ExitStatus.different.rawValue) }
    }

    private static func source(_ path: String) throws -> ImportSource {
        do {
            let bytes = try DiskFiles().read(path, limit: ImportedPolicy.sizeLimit, from: .fileOrPipe)
            return ImportSource(name: path, text: String(decoding: bytes, as: UTF8.self))
        } catch {
            throw Refusal("\(path) \(error)")
        }
    }
}
