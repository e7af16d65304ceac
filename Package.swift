// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

/// What every Swift target is built with: warnings fail the build, and unsafe code must say so.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .strictMemorySafety(),
]

/// Error numbers with their words, descriptors, paths.
let system = Target.Dependency.product(name: "SystemPackage", package: "swift-system")

let package = Package(
    name: "bulkhead",
    products: [
        .executable(name: "bulkhead", targets: ["bulkhead"]),
        .executable(name: "bulkhead-agent", targets: ["bulkhead-agent"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
        .package(url: "https://github.com/apple/swift-log", from: "1.14.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    ],
    targets: [
        // The one contract between kernel and controller.
        .target(name: "CDatapathABI"),
        .target(name: "CArguments"),
        .target(name: "CHeap"),
        // Loads libvirt's library where it is asked for; links nothing of it.
        .target(name: "CLibvirt"),
        .systemLibrary(name: "CLibyaml", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        .target(name: "CLibbpf", linkerSettings: [.linkedLibrary("bpf")]),
        .target(name: "CNettle", linkerSettings: [.linkedLibrary("nettle")]),
        .target(name: "CNetlink", linkerSettings: [.linkedLibrary("mnl")]),
        // BPF/*.bpf.c, compiled and embedded in Datapath.
        .executableTarget(
            name: "EmbedObject", dependencies: ["CNettle"], path: "Plugins/EmbedObject", swiftSettings: settings),
        .plugin(name: "CompileBPF", capability: .buildTool(), dependencies: ["EmbedObject"]),
        // Unix sockets' addresses, and who is at their other end, which the C library does not tell Swift.
        .target(name: "UnixSockets", swiftSettings: settings),
        // Pure: no kernel below here.
        .target(name: "Network", swiftSettings: settings),
        .target(name: "Wire", dependencies: ["Network", "CDatapathABI"], swiftSettings: settings),
        .target(
            name: "Policy",
            dependencies: ["Network", "Wire", "CLibyaml", system],
            swiftSettings: settings),
        .target(
            name: "Inventory", dependencies: ["Policy", "Network", "UnixSockets", "CLibvirt", system],
            swiftSettings: settings),
        .target(name: "Import", dependencies: ["Policy", "Wire", "Network"], swiftSettings: settings),
        .target(
            name: "Compiler",
            dependencies: ["Network", "Wire", "Policy", "CDatapathABI", "CNettle"],
            swiftSettings: settings),
        .target(
            name: "Analysis", dependencies: ["Network", "Wire", "Policy", "Compiler"], swiftSettings: settings),
        .target(name: "Capture", dependencies: [system], swiftSettings: settings),
        // The kernel.
        .target(name: "Libbpf", dependencies: ["CLibbpf", "CNetlink", system], swiftSettings: settings),
        .target(
            name: "Host",
            dependencies: ["CNetlink", "Policy", "Network", system],
            swiftSettings: settings),
        .target(
            name: "Datapath",
            dependencies: [
                "Host", "Libbpf", "Compiler", "Policy", "Wire", "Network", "CDatapathABI", "CLibbpf", system,
            ],
            swiftSettings: settings, plugins: ["CompileBPF"]),
        .target(
            name: "Simulation",
            dependencies: [
                "Datapath", "Host", "Libbpf", "Compiler", "Policy", "Wire", "Network", "CDatapathABI", "CLibbpf",
            ],
            swiftSettings: settings),
        // What both faces do, and how it looks.
        .target(
            name: "Control",
            dependencies: [
                "Simulation", "Analysis", "Datapath", "Host", "Inventory", "Capture", "Compiler", "Policy", "Wire",
                "Network", system,
            ],
            swiftSettings: settings),
        .target(
            name: "Rendering",
            dependencies: [
                "Control", "Simulation", "Analysis", "Datapath", "Host", "Compiler", "Policy", "Wire", "Network",
            ],
            swiftSettings: settings),
        // What can be asked, in the same words by commands and through the agent.
        .target(
            name: "Requests",
            dependencies: [
                "Rendering", "Control", "Datapath", "Host", "Policy", "Wire", "Network", "UnixSockets", system,
            ],
            swiftSettings: settings),
        // HTTP for this host alone.
        .target(
            name: "Server",
            dependencies: [
                "UnixSockets", system,
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ],
            swiftSettings: settings),
        // Follows the host. What it needs of servers and loggers never slows a command down.
        .target(
            name: "Agent",
            dependencies: [
                "Control", "Rendering", "Requests", "Server", "Host", "Inventory", "Compiler", "Policy", "UnixSockets",
                "CHeap", system,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            swiftSettings: settings),
        // The command line.
        .target(
            name: "Commands",
            dependencies: [
                "Control", "Rendering", "Requests", "Policy", "Inventory", "Import", "Capture", "Wire", "Network",
                system,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings),
        .executableTarget(
            name: "bulkhead", dependencies: ["Commands", "CArguments", "CHeap"], swiftSettings: settings),
        .executableTarget(
            name: "bulkhead-agent",
            dependencies: ["Agent", "CHeap"], swiftSettings: settings),
        // Measures; built and run by Scripts/bench.
        .target(name: "CBenchmark", path: "Benchmarks/C"),
        .executableTarget(
            name: "Benchmark",
            dependencies: [
                "CBenchmark", "TestSupport", "Simulation", "Compiler", "Policy", "Libbpf", "Wire", "Network",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "Benchmarks", exclude: ["BPF", "C"], swiftSettings: settings, plugins: ["CompileBPF"]),
        // Tests.
        .target(name: "CTestSupport", path: "Tests/CTestSupport"),
        .target(
            name: "TestSupport", dependencies: ["CTestSupport", "Network", "Wire", "Policy"], path: "Tests/TestSupport",
            swiftSettings: settings),
        // What judges the programs: written from the standards, not from the code.
        .target(
            name: "Reference", dependencies: ["Compiler", "Policy", "Wire", "Network", "CDatapathABI"],
            path: "Tests/Reference",
            swiftSettings: settings),
        .target(
            name: "Fuzzing",
            dependencies: [
                "Reference", "TestSupport", "Capture", "Simulation", "Datapath", "Libbpf", "Compiler", "Policy", "Wire",
                "Network",
            ],
            path: "Tests/Fuzzing", swiftSettings: settings),
        .executableTarget(
            name: "fuzz",
            dependencies: ["Fuzzing", .product(name: "ArgumentParser", package: "swift-argument-parser")],
            path: "Tests/Fuzz", swiftSettings: settings),
        .executableTarget(
            name: "workload",
            dependencies: ["TestSupport", "Analysis", "Simulation", "Datapath", "Compiler", "Policy", "Network"],
            path: "Tests/Workload", swiftSettings: settings),
        .testTarget(
            name: "AnalysisTests",
            dependencies: [
                "Analysis", "Reference", "TestSupport", "Simulation", "Datapath", "Compiler", "Policy", "Wire",
                "Network",
            ],
            swiftSettings: settings),
        .testTarget(
            name: "AgentTests",
            dependencies: ["Agent", "Requests", "Server", "Control", "Rendering", "Policy", "Wire", "TestSupport"],
            swiftSettings: settings),
        .testTarget(name: "ServerTests", dependencies: ["Server", "TestSupport"], swiftSettings: settings),
        .testTarget(name: "CaptureTests", dependencies: ["Capture"], swiftSettings: settings),
        .testTarget(
            name: "CompilerTests",
            dependencies: [
                "Reference", "Compiler", "Policy", "Wire", "Network", "CDatapathABI", "TestSupport",
            ],
            swiftSettings: settings),
        .testTarget(
            name: "IntegrationTests",
            dependencies: [
                "TestSupport", "Control", "Rendering", "Capture", "Datapath", "Host", "Libbpf", "Policy", "Wire",
                "Network", "CDatapathABI", "CLibbpf", "bulkhead", "bulkhead-agent",
            ],
            exclude: ["Transcripts", "RuleSets", "NftRuleSets"], swiftSettings: settings),
        .testTarget(
            name: "DatapathTests",
            dependencies: [
                "Control", "Simulation", "Datapath", "Host", "Libbpf", "CLibbpf", "CDatapathABI", "Compiler", "Policy",
                "Wire", "Network", "TestSupport",
            ],
            swiftSettings: settings),
        .testTarget(
            name: "KernelTests",
            dependencies: [
                "Reference", "TestSupport", "Fuzzing", "Capture", "Simulation", "Datapath", "Libbpf", "Compiler",
                "CDatapathABI", "Policy", "Wire", "Network",
            ],
            swiftSettings: settings),
        .testTarget(
            name: "InventoryTests", dependencies: ["Inventory", "Policy", "Network"], swiftSettings: settings),
        .testTarget(
            name: "LibbpfTests", dependencies: ["Libbpf", "CLibbpf", "TestSupport"], swiftSettings: settings),
        // The laws of docs/architecture.md, held against the sources themselves.
        .testTarget(name: "HouseTests", dependencies: ["Control"], swiftSettings: settings),
        .testTarget(
            name: "ImportTests",
            dependencies: ["Import", "Reference", "TestSupport", "Policy", "Wire", "Network"], swiftSettings: settings),
        .testTarget(name: "NetworkTests", dependencies: ["Network"], swiftSettings: settings),
        .testTarget(
            name: "PolicyTests", dependencies: ["TestSupport", "Policy", "Wire", "Network"], exclude: ["Fixtures"],
            swiftSettings: settings),
        .testTarget(
            name: "CommandsTests",
            dependencies: [
                "Reference", "Commands", "Control", "Rendering", "Simulation", "Datapath", "Host", "Capture",
                "Compiler", "Policy", "Wire", "Network", "TestSupport", "bulkhead",
            ],
            swiftSettings: settings),
    ]
)
