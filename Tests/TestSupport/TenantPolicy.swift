// SPDX-License-Identifier: Apache-2.0

/// A policy in which each tenant may be reached from anywhere but its own addresses: complements that all overlap.
public struct TenantPolicy: Sendable {
    public var tenants: Int

    public init(tenants: Int) { self.tenants = tenants }

    public var text: String {
        var text = "version: 1\nports:\n  uplink: { interface: eth0, protects: host }\ngroups:\n"
        for tenant in 0..<tenants {
            text += "  t\(tenant): { addresses: [198.\(18 + tenant >> 16).\(tenant >> 8 & 255).\(tenant & 255)] }\n"
        }
        text += "rules:\n"
        for tenant in 0..<tenants {
            text += "  - { name: r\(tenant), from: { except: t\(tenant) }, to: t\(tenant), action: drop }\n"
        }
        return text
    }
}
