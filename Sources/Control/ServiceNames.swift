// SPDX-License-Identifier: Apache-2.0
import Datapath
import Policy

/// What services are called: as a policy writes them, by the names of the policy in force, and by the common names.
struct ServiceNames {
    /// The services of the policy in force; asked for only where a name is looked up.
    let policy: () -> [String: [Service]]

    /// What these words mean together.
    ///
    /// - Throws: ``Refusal`` where one of them means nothing.
    func services(_ words: [String]) throws(Refusal) -> [Service] {
        var result: [Service] = []
        for word in words { result += try services(word) }
        return result
    }

    private func services(_ word: String) throws(Refusal) -> [Service] {
        if word == "ping" { return CommonService.ping }
        guard !word.contains("/") else {
            do {
                return [try ServiceText.parse(word)]
            } catch {
                throw Refusal("'\(word)' is not a service: \(error.reason)")
            }
        }
        let named = policy()
        if let found = named[word] ?? CommonService.services(word) { return found }
        let nearest = NearestName.of(word, among: named.keys.sorted() + CommonService.names + ["ping"])
        throw Refusal(
            "there is no service '\(word)'",
            advice: nearest.map { "did you mean '\($0)'?" } ?? "write it as tcp/443, udp/53 or ping")
    }
}
