// SPDX-License-Identifier: Apache-2.0
import Policy

extension Port {
    /// Its device as people read it: with the namespace if that is not the command's own.
    var device: String { namespace.map { "\(interface)@\($0)" } ?? interface }
}
