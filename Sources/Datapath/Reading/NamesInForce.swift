// SPDX-License-Identifier: Apache-2.0
import Policy

/// The names that the policy in force has, as its image tells them.
public struct NamesInForce: Sendable {
    public var entries: [String]
    public var ports: [Port]
    public var rules: [String]
    /// The dynamic ones.
    public var groups: [String]
}

extension Instance {
    public func namesInForce() throws(DatapathError) -> NamesInForce {
        let image = try imageInForce(try openMaps())
        return NamesInForce(
            entries: (0..<image.view.portCount).map(image.entryName), ports: image.namedDevices().map(image.port),
            rules: image.counterSlots().map(\.name), groups: image.view.groups.map(\.name))
    }
}
