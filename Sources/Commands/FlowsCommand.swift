import ArgumentParser
import Datapath

struct FlowsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "flows",
        abstract: "List the connections that the kernel keeps track of.",
        discussion: """
            One line, or one JSON object, a flow: its port (of a host entry, the entry), who opened it and to whom, its state, and the rule \
            that accepted it. `opening` and `answered` are half-open.

            Example:
              bulkhead flows
              bulkhead flows --json | jq -c 'select(.dport == 443)'
            """)

    @OptionGroup var instance: InstanceOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
        let flows = try Instance(instance.name).flows()
        guard !output.isJSON else {
            for (port, rule, flow) in flows { try StandardOutput.line(flow.json(port: port, rule: rule)) }
            return
        }
        var table = Table([
            .init("PORT"), .init("DIR"), .init("PROTOCOL"), .init("FROM"), .init("TO"), .init("STATE"),
            .init("IDLE", .right), .init("RULE"),
        ])
        for (port, rule, flow) in flows { table.append(flow.words(port: port, rule: rule)) }
        try StandardOutput.write(table.text)
    }
}

extension Flow {
    private var hasPorts: Bool { [6, 17, 132].contains(ipProtocol) }
    private var protocolName: String { PacketWords.name(ofProtocol: ipProtocol, source.family) }

    func json(port: String, rule: String?) -> JSON {
        [
            "port": .string(port), "protocol": .string(protocolName), "src": .string("\(source)"),
            "sport": hasPorts ? JSON(sourcePort) : nil, "dst": .string("\(destination)"),
            "dport": hasPorts ? JSON(destinationPort) : nil, "vlan": vlan == 0 ? nil : JSON(vlan),
            "direction": .string(direction.rawValue), "state": .string(state.rawValue), "adopted": .bool(isAdopted),
            "idleSeconds": JSON(idleSeconds), "timeoutSeconds": JSON(timeoutSeconds), "rule": JSON(rule),
        ]
    }

    fileprivate func words(port: String, rule: String?) -> [String] {
        [
            port, direction.rawValue, protocolName, end(source, sourcePort), end(destination, destinationPort),
            state.rawValue, "\(idleSeconds)s", rule ?? "-",
        ]
    }

    private func end(_ address: some CustomStringConvertible, _ port: UInt16) -> String {
        hasPorts ? "\(address):\(port)" : "\(address)"
    }
}
