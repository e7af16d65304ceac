// SPDX-License-Identifier: Apache-2.0
import Policy

extension Workload {
    /// The most bytes of labels that an engine may say a workload has.
    static let mostOfLabels = 16384

    static func isTooMuch(_ labels: [String: String]) -> Bool {
        labels.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count } > mostOfLabels
    }

    /// One of which its source cannot tell more than who it is.
    ///
    /// - Parameters:
    ///   - name: Where it is no name, the id stands for it.
    ///   - devices: Words that are no names of devices are left out.
    init(refused id: String, name: String, uuid: String?, devices: [String?], why: String) {
        let isName = (1...256).contains(name.utf8.count)
        self.init(
            id: id, name: isName ? name : id.isEmpty ? "?" : String(id.prefix(64)), uuid: uuid,
            interfaces: devices.compactMap { try? Workload.Interface(checking: $0) }, refusal: why)
    }
}
