// SPDX-License-Identifier: Apache-2.0

/// A device as people read it: with its namespace where that is not the command's own.
package func deviceName(_ interface: String, _ namespace: String?) -> String {
    namespace.map { "\(interface)@\($0)" } ?? interface
}
