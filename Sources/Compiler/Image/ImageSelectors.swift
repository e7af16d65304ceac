// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Policy

extension ImageView {
    /// What each of the policy's entries means by its devices, in the policy's order.
    public var selectors: [DeviceSelector] {
        (0..<Int(tables.selector_count)).compactMap { index in
            guard let record = element(bh_selector.self, of: tables.selectors, index) else { return nil }
            let namespace = string(record.namespace_name)
            let names = string(record.names).split(separator: "\n").map(String.init)
            return DeviceSelector(
                entry: string(record.entry), namespace: namespace.isEmpty ? nil : namespace,
                selector: record.is_bridge != 0 ? .bridge(names.first ?? "") : .interfaces(names),
                gate: PortEntry.Gate(bh_gate(UInt32(record.gate))))
        }
    }
}

extension ImageView {
    /// Network namespaces in which an entry's bridge has a gate; nil is the controller's own.
    public var gatedNamespaces: Set<String?> { Set(selectors.filter { $0.gate != .none }.map(\.namespace)) }
}

extension bh_selector {
    /// - Parameter strings: Gets the texts.
    init(_ entry: PortEntry, _ strings: inout StringTable) {
        // No name of a device has a line break in it.
        let (names, isBridge) =
            switch entry.selector {
            case .interfaces(let names): (names.joined(separator: "\n"), false)
            case .bridge(let name): (name, true)
            }
        self.init(
            entry: strings.offset(of: entry.name), namespace_name: strings.offset(of: entry.namespace ?? ""),
            names: strings.offset(of: names), is_bridge: isBridge ? 1 : 0,
            gate: UInt16(isBridge ? bh_gate(entry.effectiveGate).rawValue : BH_GATE_NONE.rawValue))
    }
}

extension PortEntry.Gate {
    fileprivate init(_ gate: bh_gate) {
        switch gate {
        case BH_GATE_AUTO: self = .auto
        case BH_GATE_VLAN: self = .vlan
        case BH_GATE_NFT: self = .nft
        default: self = .none
        }
    }
}

extension bh_gate {
    fileprivate init(_ gate: PortEntry.Gate) {
        self =
            switch gate {
            case .none: BH_GATE_NONE
            case .auto: BH_GATE_AUTO
            case .vlan: BH_GATE_VLAN
            case .nft: BH_GATE_NFT
            }
    }
}
