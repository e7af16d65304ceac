// SPDX-License-Identifier: Apache-2.0
import Libbpf

/// The shared program of generic XDP: loaded once, when a device first needs it.
package final class GenericXDP {
    private let maps: InstanceMaps
    private var isThere: Bool

    /// - Parameter isNew: whether a loaded program may be another build's, and is taken out. Until ``provide()`` puts
    ///   in this build's, tc decides alone.
    package init(_ maps: InstanceMaps, isNew: Bool) throws(BPFError) {
        self.maps = maps
        if isNew { try maps[.genericPrograms].delete(0) }
        isThere = try maps[.genericPrograms].lookup(0, as: UInt32.self) != nil
    }

    /// Loads the program if it is not there.
    package func provide() throws(BPFError) {
        guard !isThere else { return }
        let program = try maps.loadProgram("bulkhead_xdp_generic", of: Programs.xdp, try maps.settings())
        try maps[.genericPrograms].update(0, to: program)
        isThere = true
    }
}
