// SPDX-License-Identifier: Apache-2.0
import Datapath
import Network
import Policy

extension GroupMembers {
    /// The same, with what the group's `except` takes away. What `except` reads from files is not known here.
    func noting(exceptionsOf ruleset: Ruleset) -> GroupMembers {
        guard let range = ruleset.groups.first(where: { $0.name == name })?.memberRange else { return self }
        var result = self
        for index in result.members.indices {
            let prefix = result.members[index].prefix
            if !range.intersects(prefix) {
                result.members[index].exception = .whole
            } else if !AddressSet([prefix]).subtracting(range).isEmpty {
                result.members[index].exception = .part
            }
        }
        return result
    }
}
