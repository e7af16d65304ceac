// SPDX-License-Identifier: Apache-2.0

/// The options of the modules `limit` and `hashlimit`.
struct SaveLimit {
    private(set) var rate: String?
    private(set) var burst: Int?
    private var perSource = false
    private(set) var isAsked = false
    /// An option that no limit of a policy has.
    private var strange: String?
    private(set) var words = "limit"

    static let options: Set<String> = [
        "--limit", "--limit-burst", "--hashlimit", "--hashlimit-upto", "--hashlimit-above", "--hashlimit-burst",
        "--hashlimit-mode", "--hashlimit-srcmask", "--hashlimit-dstmask", "--hashlimit-name",
        "--hashlimit-htable-size", "--hashlimit-htable-max", "--hashlimit-htable-expire",
        "--hashlimit-htable-gcinterval",
    ]

    mutating func take(_ option: String, _ value: String, isNegated: Bool) {
        switch option {
        case "--limit", "--hashlimit-upto", "--hashlimit":
            isAsked = true
            rate = value
            words = "\(option) \(value)"
        case "--hashlimit-above":
            isAsked = true
            strange = "\(option) \(value)"
        case "--limit-burst", "--hashlimit-burst": burst = Int(value)
        case "--hashlimit-mode":
            if value == "srcip" { perSource = true } else { strange = "\(option) \(value)" }
        case "--hashlimit-srcmask", "--hashlimit-dstmask": strange = "\(option) \(value)"
        default: break
        }
        if isNegated { strange = "! \(option) \(value)" }
        if let strange { words = strange }
    }

    /// nil if a policy cannot say it: rates slower than one a minute.
    var limit: RateLimit? {
        guard strange == nil, let rate, let slash = rate.firstIndex(of: "/"), let count = Int(rate[..<slash]), count > 0
        else { return nil }
        let unit = rate[rate.index(after: slash)...]
        let burst = burst ?? 5
        guard (1...1_000_000).contains(burst), count <= 1_000_000 else { return nil }
        let written: String? =
            if unit.hasPrefix("s") { "\(count)/s" } else if unit.hasPrefix("m") {
                "\(count)/m"
            } else if unit.hasPrefix(
                "h"), count % 60 == 0
            { "\(count / 60)/m" } else if unit.hasPrefix("d"), count % 1440 == 0 { "\(count / 1440)/m" } else { nil }
        return written.map { RateLimit(rate: $0, burst: burst, perSource: perSource) }
    }
}
