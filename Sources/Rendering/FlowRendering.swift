// SPDX-License-Identifier: Apache-2.0
import Datapath

extension ListedFlow {
    private var protocolName: String { PacketWords.name(ofProtocol: flow.ipProtocol, flow.source.family) }
    private var hasPorts: Bool { [6, 17, 132].contains(flow.ipProtocol) }

    package var json: JSON {
        [
            "port": .string(port), "protocol": .string(protocolName), "src": .string("\(flow.source)"),
            "sport": hasPorts ? JSON(flow.sourcePort) : nil, "dst": .string("\(flow.destination)"),
            "dport": hasPorts ? JSON(flow.destinationPort) : nil, "vlan": flow.vlan == 0 ? nil : JSON(flow.vlan),
            "direction": .string(flow.direction.rawValue), "state": .string(flow.state.rawValue),
            "adopted": .bool(flow.isAdopted), "idleSeconds": JSON(flow.idleSeconds),
            "timeoutSeconds": JSON(flow.timeoutSeconds), "rule": JSON(rule),
        ]
    }

    fileprivate var cells: [String] {
        [
            port, flow.direction.rawValue, protocolName,
            flow.source.written(with: hasPorts ? flow.sourcePort : nil),
            flow.destination.written(with: hasPorts ? flow.destinationPort : nil), flow.state.rawValue,
            "\(flow.idleSeconds)s", rule ?? "default",
        ]
    }
}

extension [ListedFlow] {
    /// - Parameter width: The most characters of a line; nil: as many as it takes.
    package func words(fitting width: Int? = nil) -> Words {
        var table = Table([
            .init("PORT"), .init("DIR", spare: 2), .init("PROTOCOL", spare: 1), .init("FROM"), .init("TO"),
            .init("STATE"), .init("IDLE", .right, spare: 3), .init("RULE"),
        ])
        for flow in self { table.append(flow.cells) }
        return table.lines(fitting: width).map { $0 + "\n" }.joined()
    }
}
