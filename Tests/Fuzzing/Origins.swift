// SPDX-License-Identifier: Apache-2.0
import Compiler
import Reference
import Simulation

extension Simulator.Origin {
    /// Where the model has a packet come from; nil: the host does not send it.
    public init(_ origin: ReferenceOrigin?, in image: Image) {
        self =
            switch origin {
            case nil, .elsewhere: .elsewhere
            case .host: .host
            case .entry(let entry): .port(record: image.portRecord(entry: entry, protects: .host))
            }
    }
}
