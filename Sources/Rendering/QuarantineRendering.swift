// SPDX-License-Identifier: Apache-2.0
import Datapath

extension QuarantineReport {
    /// - Parameter deed: The name of the field that holds the names.
    package func json(_ instance: String, _ deed: String) -> JSON {
        var fields = JSON.Fields()
        fields.append("instance", .string(instance))
        fields.append(deed, JSON(names))
        fields.append("ports", JSON(ports))
        fields.append("changed", .bool(changed))
        return .object(fields)
    }
}
