// SPDX-License-Identifier: Apache-2.0
import Datapath
import Network
import Wire

/// Which flows are asked for: those for which all that is given holds.
package struct FlowQuestion: Sendable, Hashable {
    /// Entries, `entry/device`s or devices; empty: all ports.
    package var ports: [String]
    /// An address of this prefix opened it, or was its aim.
    package var host: Prefix?
    /// Services as a policy writes them, or by their names; empty: all.
    package var services: [String]
    /// Empty: all states.
    package var states: [FlowState]

    package init(
        ports: [String] = [], host: Prefix? = nil, services: [String] = [], states: [FlowState] = []
    ) {
        self.ports = ports
        self.host = host
        self.services = services
        self.states = states
    }

    /// Whether it asks for every flow.
    package var isEmpty: Bool { ports.isEmpty && host == nil && services.isEmpty && states.isEmpty }

    /// - Parameter names: What services are called.
    func filter(_ names: ServiceNames) throws -> FlowFilter {
        FlowFilter(
            ports: ports.isEmpty ? nil : Set(ports), host: host,
            services: services.isEmpty ? nil : try names.services(services), states: states.isEmpty ? nil : Set(states))
    }
}
