// SPDX-License-Identifier: Apache-2.0
import Control
import Rendering

extension AgentFigures {
    /// A look comes every two seconds. A host with thousands of ports, or an apply, may need more.
    static let freshness = Duration.seconds(30)

    /// Why the host is not filtered as its policy wants it; nil: it is.
    func unreadiness(at now: ContinuousClock.Instant) -> String? {
        switch finding {
        case .unknown: return "the agent has not looked at the host yet"
        case .noPolicy: return "no policy is in force"
        case .ports(let ports):
            guard let lookedAt, now - lookedAt <= Self.freshness else {
                return "the agent has not looked at the host for \(Self.freshness.components.seconds) seconds"
            }
            let all = ports.lazy.compactMap { port in port.shortcoming.map { (port.port, $0) } }
            guard let (port, words) = all.first else { return nil }
            let rest = all.count - 1
            return "port '\(Words.escaped(port.metricName))' \(words)" + (rest > 0 ? ", and \(rest) more" : "")
        }
    }
}
