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

    package var wordsOfQuarantine: Words {
        lines { changed ? "\($0) is cut off: nothing passes" : "\($0) was cut off already" }
    }

    package var wordsOfRelease: Words {
        lines { changed ? "\($0) is released: the policy judges it again" : "\($0) was not in quarantine" }
    }

    private func lines(_ words: (String) -> Words) -> Words { names.map { words($0) + "\n" }.joined() }
}
