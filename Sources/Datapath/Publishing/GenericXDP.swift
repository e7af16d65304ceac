// SPDX-License-Identifier: Apache-2.0
import Libbpf

/// The shared program of generic XDP: loaded where a device needs it, and once.
package final class GenericXDP {
    private let maps: InstanceMaps
    private var isThere: Bool

    /// - Parameter isNew: whether what is loaded is another build's. Until it is replaced, or if it is not needed any
    ///   more, tc decides alone.
    package init(_ maps: InstanceMaps, isNew: Bool) throws(BPFError) {
        self.maps = maps
        if isNew { try maps[.genericPrograms].delete(0) }
        isThere = try maps[.genericPrograms].lookup(0, as: UInt32.self) != nil
    }

    package func provide() throws(BPFError) {
        guard !isThere else { return }
        let program = try maps.loadProgram("bulkhead_xdp_generic", of: Programs.xdp, try maps.settings())
        try maps[.genericPrograms].update(0, to: program)
        isThere = true
    }
}
