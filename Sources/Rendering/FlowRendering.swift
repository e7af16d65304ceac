// SPDX-License-Identifier: Apache-2.0
import Datapath

extension Flow {
    private var hasPorts: Bool { [6, 17, 132].contains(ipProtocol) }
    private var protocolName: String { PacketWords.name(ofProtocol: ipProtocol, source.family) }

    package func json(port: String, rule: String?) -> JSON {
        [
            "port": .string(port), "protocol": .string(protocolName), "src": .string("\(source)"),
            "sport": hasPorts ? JSON(sourcePort) : nil, "dst": .string("\(destination)"),
            "dport": hasPorts ? JSON(destinationPort) : nil, "vlan": vlan == 0 ? nil : JSON(vlan),
            "direction": .string(direction.rawValue), "state": .string(state.rawValue), "adopted": .bool(isAdopted),
            "idleSeconds": JSON(idleSeconds), "timeoutSeconds": JSON(timeoutSeconds), "rule": JSON(rule),
        ]
    }

    package func words(port: String, rule: String?) -> [String] {
        [
            port, direction.rawValue, protocolName, end(source, sourcePort), end(destination, destinationPort),
            state.rawValue, "\(idleSeconds)s", rule ?? "-",
        ]
    }

    private func end(_ address: some CustomStringConvertible, _ port: UInt16) -> String {
        hasPorts ? "\(address):\(port)" : "\(address)"
    }
}
