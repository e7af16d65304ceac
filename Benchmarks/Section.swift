// SPDX-License-Identifier: Apache-2.0
import TestSupport

/// One part of the benchmark, which makes what it needs in a lab of its own.
protocol Section {
    /// As `--only` names it.
    static var name: String { get }
    init(settings: Settings, lab: Lab)
    func run(_ report: inout Report) throws
}

/// All of them, in their order.
var sections: [any Section.Type] {
    [
        Classification.self, Floods.self, Paths.self, Costs.self, Conditions.self, Shadows.self, Ports.self,
        Attaching.self, Events.self, Swapping.self, Changes.self, Guests.self, Hosts.self, Flood.self,
    ]
}
