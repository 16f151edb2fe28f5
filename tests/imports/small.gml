# Six cities with everything that a reader must cope with.
Creator "by hand"
graph [
  label "Small"
  Network "Small &amp; Co"
  node [ id 10 label "Zürich" Country "Switzerland" Latitude 47.3769 Longitude 8.5417 ]
  node [ id 11 label "Milan" Country "Italy" Latitude 45.4642 Longitude 9.1900 ]
  node [ id 12 label "Milan" Country "ITALY" Latitude 45.4642 Longitude 9.1900 ]
  node [ id 13 label "M&#252;nchen" Country "Germany" Latitude 48.1374 Longitude 11.5755 ]
  node [ id 14 label "None" hyperedge 1 ]
  node [ id 15 label "Peering: no." Internal 0 ]
  node [ id 16 label "北京" ]
  edge [ source 10 target 11 LinkSpeed "10" LinkSpeedUnits "G" LinkSpeedRaw 10000000000.0 ]
  edge [ source 10 target 11 LinkLabel "STM-16" ]
  edge [ source 11 target 12 LinkLabel "2.5 Gbps" ]
  edge [ source 12 target 13 LinkLabel "Red Link" ]
  edge [ source 13 target 10 LinkSpeed "40" LinkSpeedUnits "G" ]
  edge [ source 13 target 13 ]
  edge [ source 14 target 10 ]
  edge [ source 14 target 13 ]
  edge [ source 15 target 14 ]
  edge [ source 15 target 16 LinkLabel "10 GB" ]
]
