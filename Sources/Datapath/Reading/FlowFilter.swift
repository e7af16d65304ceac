// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import Wire

/// Which flows are meant: those for which all that is given holds.
public struct FlowFilter: Sendable, Hashable {
    /// Entries, `entry/device`s or devices. The flows of a host entry are the entry's: each of its devices means all of
    /// them.
    public var ports: Set<String>?
    /// An address of this prefix opened it, or was its aim.
    public var host: Prefix?
    /// Its opening packet carried one of these.
    public var services: [Service]?
    public var states: Set<FlowState>?

    public init(
        ports: Set<String>? = nil, host: Prefix? = nil, services: [Service]? = nil, states: Set<FlowState>? = nil
    ) {
        self.ports = ports
        self.host = host
        self.services = services
        self.states = states
    }

    /// Whether it selects every flow.
    public var isEmpty: Bool { ports == nil && host == nil && services == nil && states == nil }

    /// Whether the flow is one of these, whatever port it is at.
    package func selects(_ flow: Flow) -> Bool {
        if let states, !states.contains(flow.state) { return false }
        if let host, !host.contains(flow.source), !host.contains(flow.destination) { return false }
        guard let services else { return true }
        return services.contains { flow.carries($0) }
    }

    /// The scopes of the flows at the filter's ports.
    func scopes(in image: LiveImage) throws(DatapathError) -> Set<UInt16> {
        guard let ports else { return image.allFlowScopes }
        if let unknown = image.unknownPort(among: ports) { throw unknown }
        let devices = image.namedDevices().filter { device in ports.contains { image.isCalled($0, device) } }
        return Set(devices.map(image.flowScope))
    }
}

extension LiveImage {
    /// Whose a device's flows are: its own, or its host entry's.
    func flowScope(_ device: DeviceRecord) -> UInt16 {
        let entry = view.flowScope(device.record) ?? 0
        return entry == 0 ? device.id : entry
    }
}

extension Flow {
    /// Whether its opening packet carries a service.
    fileprivate func carries(_ service: Service) -> Bool {
        switch service {
        case .ports(let number, let destination, let source):
            number == ipProtocol && destination.contains { $0.contains(destinationPort) }
                && source.contains { $0.contains(sourcePort) }
        // Of ICMP, only echoes have flows, and requests open them.
        case .icmp(.v4, let type, let code): ipProtocol == 1 && (type ?? 8) == 8 && (code ?? 0) == 0
        case .icmp(.v6, let type, let code): ipProtocol == 58 && (type ?? 128) == 128 && (code ?? 0) == 0
        case .protocol(let number): ipProtocol == number || headers.contains(number)
        case .ethertype: false
        }
    }
}
